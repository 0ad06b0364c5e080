//! The core over plain memory, one subject a module.

/// Reading several messages at once.
mod batch;
#[path = "../common/mod.rs"]
mod common;
/// What damaged memory does to readers and writers.
mod damage;
/// Where every byte lies, against golden files of the C library.
mod layout;
/// Encoding and decoding packets.
mod packet;
/// How long opening waits for a program that initialises the memory.
mod patience;
