//! What a trigger or a control topic says at some time.

/// Something that happened, in nanoseconds since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) time: u64,
    /// The numbers of the rule and of its policy.
    pub(crate) policy: (usize, usize),
    pub(crate) event: Event,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Fired,
    SwitchedOn,
    SwitchedOff,
}
