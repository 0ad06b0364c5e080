//! The two layouts of a deadman's file.

use a0_core::layout::Field;

/// Whose thread ids stand in the file: a number of the PID namespace of those who may take it, 0 if nobody has said so.
/// In both layouts these bytes are padding behind the first word that can have an owner, which 0.3 never writes.
pub(crate) const PID_NAMESPACE: Field<u32> = Field::at(20);

/// Which deadman a new file is to hold. The size of an existing file says what that one is.
///
/// Programs of AlephZero 0.3 do not compare: on a file of the other layout they see a deadman that nobody has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadmanLayout {
    /// 32 bytes, as C and C++ programs with AlephZero 0.3.15 use it.
    #[default]
    Bytes32,
    /// 72 bytes, as the Python package (0.3.17) and the programs `api` and `log` use it.
    Bytes72,
}

impl DeadmanLayout {
    /// Bytes of the file.
    pub const fn size(self) -> u64 {
        match self {
            DeadmanLayout::Bytes32 => 32,
            DeadmanLayout::Bytes72 => 72,
        }
    }

    /// The layout of a file of this size, if there is one.
    pub const fn of_size(size: u64) -> Option<DeadmanLayout> {
        match size {
            32 => Some(DeadmanLayout::Bytes32),
            72 => Some(DeadmanLayout::Bytes72),
            _ => None,
        }
    }
}
