//! Whether the sources are as the pages for contributors say.

/// No two files import each other.
mod circles;
/// Guards in the code, in the design page, and in the tests that take them away.
mod guards;
/// Files that pages name.
mod named_paths;
/// Files in which unsafe code is allowed.
mod unsafe_inventory;
