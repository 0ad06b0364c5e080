//! Topic files on real filesystems, one subject a module.

#[path = "../common/mod.rs"]
mod common;
/// Programs that create one file at the same time, and are killed while they do.
mod creators;
/// The file of a deadman, and its lock.
mod deadman;
/// Opening, creating and removing topic files.
mod file;
/// Links on the way to a topic.
mod links;
