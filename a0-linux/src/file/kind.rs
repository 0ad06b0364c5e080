//! What a file is to hold, which decides about its size.

use std::path::Path;

use a0_core::layout::{Field, WORKSPACE, header};

use crate::deadman::layout::{DeadmanLayout, PID_NAMESPACE};
use crate::file::error::FileError;

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Messages.
    Topic,
    /// A deadman.
    Deadman,
}

impl Kind {
    /// Refuses a file of a size that this kind cannot have.
    pub(super) fn check_size(self, path: &Path, size: u64) -> Result<(), FileError> {
        let path = || path.into();
        match self {
            Kind::Topic if size < WORKSPACE => Err(FileError::TooSmall { path: path(), size }),
            Kind::Deadman if DeadmanLayout::of_size(size).is_none() => {
                Err(FileError::NotADeadman { path: path(), size })
            }
            _ => Ok(()),
        }
    }

    /// Where it keeps the PID namespace of those who use it.
    pub(super) fn pid_namespace(self) -> Field<u32> {
        match self {
            Kind::Topic => header::PID_NAMESPACE,
            Kind::Deadman => PID_NAMESPACE,
        }
    }

    /// Bytes to map of a file of this size.
    pub(super) fn mapped(self, size: u64) -> u64 {
        match self {
            Kind::Topic => size,
            // Shorter than a topic's header, which is what can be mapped. Whole pages are mapped anyway: what lies
            // behind the end of the file is there, and no part of it.
            Kind::Deadman => WORKSPACE,
        }
    }
}
