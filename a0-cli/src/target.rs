//! What `TOPIC|FILE` on the command line means.

use std::path::{Path, PathBuf};

use a0_std::{Protocol, Templates};

use crate::end::{End, Outcome};

/// Shown in the help of every command that takes one.
pub(crate) const HELP: &str = "A pub/sub topic; or a file of any protocol, if it starts with /, ./ or ../, or if it ends in .a0 or \
                               .deadman and there is no topic of that name (looked for in the working directory, then below \
                               A0_ROOT)";

/// The path of a topic's file. What ends like a file may be the name of a topic: then the one counts that is there, the topic
/// first; and if neither is, a file if it would be some topic's.
pub(crate) fn resolve(target: &str) -> Outcome<PathBuf> {
    let path = Path::new(target);
    // Absolute, so that it does not mean something below A0_ROOT to the library.
    let absolute = || std::path::absolute(path).map_err(End::failed);
    if ["/", "./", "../"].iter().any(|start| target.starts_with(start)) {
        return if path.is_absolute() || path.exists() { absolute() } else { Ok(a0_std::env::resolve(path)?) };
    }
    let topic = Protocol::PubSub.path(target)?;
    if ![".a0", ".deadman"].iter().any(|end| target.ends_with(end)) || topic.exists() {
        return Ok(topic);
    }
    if path.exists() {
        return absolute();
    }
    let file = a0_std::env::resolve(path)?;
    let is_file = file.exists() || Templates::new(Protocol::ALL)?.topic(&file).is_some();
    Ok(if is_file { file } else { topic })
}

/// The protocols with these names; all if there are none.
pub(crate) fn protocols(names: &[String]) -> Vec<Protocol> {
    let wanted = |protocol: &Protocol| names.is_empty() || names.iter().any(|name| name == protocol.name());
    Protocol::ALL.iter().copied().filter(wanted).collect()
}
