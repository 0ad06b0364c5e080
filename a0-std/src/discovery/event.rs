//! What a discovery reports.

use std::path::PathBuf;

use crate::topic::Protocol;

/// Something that is looked for has come or gone. `T` is a path or a [`DiscoveredTopic`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two take turns: what else happens to a file is neither")]
pub enum DiscoveryEvent<T = PathBuf> {
    /// It is there: from the start, newly created, or moved here.
    Found(T),
    /// It was found before and is no longer there.
    Removed(T),
}

/// A topic that was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct DiscoveredTopic {
    /// What it is used for.
    pub protocol: Protocol,
    /// The topic's name.
    pub name: String,
    /// The absolute path of its file.
    pub path: PathBuf,
}

impl DiscoveredTopic {
    /// A topic as a discovery reports it, for programs that want to test what they do with one.
    pub fn new(protocol: Protocol, name: impl Into<String>, path: impl Into<PathBuf>) -> DiscoveredTopic {
        DiscoveredTopic { protocol, name: name.into(), path: path.into() }
    }
}
