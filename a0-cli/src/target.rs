//! What `TOPIC|FILE` on the command line means.

use std::path::{Path, PathBuf};

use a0_std::Protocol;

use crate::end::Outcome;

/// Shown in the help of every command that takes one.
pub(crate) const HELP: &str = "A pub/sub topic; or a file of any protocol, if it starts with /, ./ or ../ or ends in .a0 or .deadman \
                               (looked for in the working directory, then below A0_ROOT)";

/// The path of a topic's file. Whether a name means a topic or a file does not depend on which files exist.
pub(crate) fn resolve(target: &str) -> Outcome<PathBuf> {
    if !is_file(target) {
        return Ok(Protocol::PubSub.path(target)?);
    }
    let path = Path::new(target);
    if path.is_absolute() || path.exists() {
        // Absolute, so that it does not mean something below A0_ROOT to the library.
        return std::path::absolute(path).map_err(crate::end::End::failed);
    }
    Ok(a0_std::env::resolve(path)?)
}

/// The protocols with these names; all if there are none.
pub(crate) fn protocols(names: &[String]) -> Vec<Protocol> {
    let wanted = |protocol: &Protocol| names.is_empty() || names.iter().any(|name| name == protocol.name());
    Protocol::ALL.into_iter().filter(wanted).collect()
}

fn is_file(target: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| target.starts_with(start))
        || [".a0", ".deadman"].iter().any(|end| target.ends_with(end))
}
