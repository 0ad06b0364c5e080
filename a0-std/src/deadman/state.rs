//! What is to be known of a deadman.

/// How a deadman was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the lock and its file tell no more than these two")]
pub struct Taken {
    /// How often it was taken, with this time. Who waits for the end of just this time says so with the token.
    pub token: u64,
    /// Whether the owner before did not release it, but died.
    pub previous_owner_died: bool,
}

/// What a deadman looks like at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadmanState {
    /// Whether somebody has it.
    pub taken: bool,
    /// Id of the thread that has it.
    pub owner: Option<u32>,
    /// How often it was taken.
    pub token: u64,
    /// Whether it was taken through this handle.
    pub is_owner: bool,
    /// Whether nobody has it because the last owner died.
    pub owner_died: bool,
    /// The PID namespace to which `owner` belongs, if that is not the caller's, or the caller cannot tell: in a container,
    /// thread ids mean something else.
    pub other_namespace: Option<u32>,
}
