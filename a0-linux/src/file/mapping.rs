//! The bytes of a file in this process.
#![allow(unsafe_code)]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::Arc;

use a0_core::{Access, RawMem};
use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::io::Errno;

use crate::robust_list;

/// Keeps the bytes of a topic file mapped until it is dropped. They can be reached only through the [`RawMem`] that
/// owns it.
#[derive(Debug)]
pub struct Mapping {
    bytes: ManuallyDrop<MmapRaw>,
    access: Access,
    /// Open as long as the bytes can be reached: while it is, others know that somebody may lock them.
    file: ManuallyDrop<Arc<OwnedFd>>,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // A lock whose guard was leaked (`mem::forget`), in whichever thread, is held until that thread ends. The kernel
        // looks at it then, and whatever else the thread locks meanwhile is linked to it.
        if robust_list::is_used(self.bytes.as_mut_ptr(), self.bytes.len()) {
            return;
        }
        // SAFETY: neither is used again.
        unsafe { ManuallyDrop::drop(&mut self.bytes) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.file) };
    }
}

impl Mapping {
    /// Maps the first `size` bytes of a file, shared with everybody else who maps it.
    pub(super) fn new(file: &Arc<OwnedFd>, size: u64, writable: bool) -> io::Result<Self> {
        // No object in memory can be larger than `isize::MAX`.
        let size = isize::try_from(size).map_err(|_| Errno::OVERFLOW)? as usize;
        let mut options = MmapOptions::new();
        options.len(size);
        let (bytes, access) = if writable {
            (options.map_raw(&**file)?, Access::ReadWrite)
        } else {
            (options.map_raw_read_only(&**file)?, Access::ReadOnly)
        };
        Ok(Mapping { bytes: ManuallyDrop::new(bytes), access, file: ManuallyDrop::new(Arc::clone(file)) })
    }

    /// Sees to it that the page with this byte is there, as reading the byte would, but without the signal where there is
    /// no memory for it.
    pub(super) fn touch(&self, offset: u64) -> Result<(), Errno> {
        let offset = usize::try_from(offset).map_err(|_| Errno::OVERFLOW)?;
        let touched = self.bytes.advise_range(Advice::PopulateRead, offset, 1);
        touched.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
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
