//! Publishing and reading, one subject a module. What needs a process of its own is in other programs.

/// What writers add to packets.
mod headers;
/// Files that hold anything.
mod hostile_files;
/// Looking at messages without a copy.
mod in_place;
/// Writing messages without a copy.
mod loan;
/// Log messages and listeners.
mod log;
/// Behaviours that the tests of 0.3 pin down.
mod pinned;
/// Where readers start, and how they go on.
mod starting_points;
/// Subscribers of every kind.
mod subscribers;
/// Plain data written in place.
mod typed_loan;
/// Values of one type.
mod typed_messages;
