//! Which file the messages of a channel go to, and whether they may.

use std::path::PathBuf;

use a0_std::{Protocol, Templates, env};

use crate::end::Outcome;
use crate::recording::FILE;

/// What is replayed unless something is asked for. Programs act on everything else.
const HARMLESS: [&str; 3] = ["pubsub", "cfg", "log"];

/// Finds the files, and knows what was asked for.
pub(super) struct Addresses<'a> {
    /// Names of protocols; none if nothing was asked for.
    asked: &'a [String],
    templates: Templates,
}

impl Addresses<'_> {
    pub(super) fn new(asked: &[String]) -> Outcome<Addresses<'_>> {
        Ok(Addresses { asked, templates: Templates::new(Protocol::ALL)? })
    }

    /// The file for a channel of this name; `None` if it was not asked for, the reason if it must not be. Whoever made the
    /// recording may claim any protocol, and give any name: what counts is which topic's file it would be here.
    pub(super) fn path(&self, claimed: &str, name: &str) -> Outcome<Result<Option<PathBuf>, String>> {
        let protocol = Protocol::ALL.iter().copied().find(|protocol| protocol.name() == claimed);
        if protocol.is_none() && claimed != FILE || protocol.is_some() && !self.asks_for(claimed) {
            return Ok(Ok(None));
        }
        if !is_plain(name) {
            return Ok(Err("no name for a topic; give it one with --topic-map".to_owned()));
        }
        let path = protocol.map_or_else(|| env::resolve(name), |protocol| protocol.path(name))?;
        Ok(match self.templates.topic(&path) {
            Some((Protocol::Deadman, topic)) => Err(format!("it would be the deadman {topic}, which has no messages")),
            Some((found, topic)) if !self.asks_for(found.name()) => {
                let found = found.name();
                Err(format!("it would be the {found} topic {topic}, and --protocol {found} was not asked for"))
            }
            None if a0_linux::is_temporary(&path) => Err("its name is that of a file in the making".to_owned()),
            None if !self.asked.is_empty() => Ok(None),
            Some(_) | None => Ok(Some(path)),
        })
    }

    fn asks_for(&self, protocol: &str) -> bool {
        match self.asked {
            [] => HARMLESS.contains(&protocol),
            asked => asked.iter().any(|asked| asked == protocol),
        }
    }
}

/// Whether a name means something below `A0_ROOT`, and is the only one that means it.
pub(super) fn is_plain(name: &str) -> bool {
    !name.contains('\0') && name.split('/').all(|part| !["", ".", ".."].contains(&part))
}
