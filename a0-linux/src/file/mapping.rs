//! The bytes of a file in this process.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use a0_core::{Access, RawMem};
use memmap2::{MmapOptions, MmapRaw};
use rustix::io::Errno;

/// Keeps the bytes of a topic file mapped until it is dropped. They can be reached only through the [`RawMem`] that
/// owns it.
#[derive(Debug)]
pub struct Mapping {
    bytes: MmapRaw,
    access: Access,
}

impl Mapping {
    /// Maps the first `size` bytes of a file, shared with everybody else who maps it.
    pub(super) fn new(file: &OwnedFd, size: u64, writable: bool) -> io::Result<Self> {
        // No object in memory can be larger than `isize::MAX`.
        let size = isize::try_from(size).map_err(|_| Errno::OVERFLOW)? as usize;
        let mut options = MmapOptions::new();
        options.len(size);
        Ok(if writable {
            Mapping { bytes: options.map_raw(file)?, access: Access::ReadWrite }
        } else {
            Mapping { bytes: options.map_raw_read_only(file)?, access: Access::ReadOnly }
        })
    }

    /// The bytes, with every access to them checked.
    pub(super) fn into_mem(self) -> io::Result<RawMem<Self>> {
        let start = NonNull::new(self.bytes.as_mut_ptr()).ok_or(Errno::INVAL)?;
        let (size, access) = (self.bytes.len(), self.access);
        // SAFETY: `MmapRaw` keeps these bytes mapped, at an address that does not change when it is moved, until it is
        // dropped; they were mapped with the rights that `access` stands for. `Mapping` gives nobody access to them,
        // and other mappings of the file in this process are made here, too.
        unsafe { RawMem::new(self, start, size, access) }.map_err(|_| Errno::INVAL.into())
    }
}
