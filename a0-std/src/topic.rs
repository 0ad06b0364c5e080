//! Topic names and the files they stand for.

use std::path::PathBuf;

use crate::env;
use crate::error::{Error, Result};

/// The part of a template that the topic's name replaces.
pub(crate) const PLACEHOLDER: &str = "{topic}";

/// What a topic is used for; each has its own files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// Publishers and subscribers.
    PubSub,
    /// Request and response.
    Rpc,
    /// Request and a stream of responses.
    Prpc,
    /// Configuration.
    Cfg,
    /// Log messages.
    Log,
    /// Liveness.
    Deadman,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: &[Protocol] =
        &[Protocol::PubSub, Protocol::Rpc, Protocol::Prpc, Protocol::Cfg, Protocol::Log, Protocol::Deadman];

    /// The protocol's name, as it stands in default file names.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::PubSub => "pubsub",
            Protocol::Rpc => "rpc",
            Protocol::Prpc => "prpc",
            Protocol::Cfg => "cfg",
            Protocol::Log => "log",
            Protocol::Deadman => "deadman",
        }
    }

    /// The environment variable that holds the template of file names.
    pub const fn template_variable(self) -> &'static str {
        match self {
            Protocol::PubSub => "A0_TOPIC_TMPL_PUBSUB",
            Protocol::Rpc => "A0_TOPIC_TMPL_RPC",
            Protocol::Prpc => "A0_TOPIC_TMPL_PRPC",
            Protocol::Cfg => "A0_TOPIC_TMPL_CFG",
            Protocol::Log => "A0_TOPIC_TMPL_LOG",
            Protocol::Deadman => "A0_TOPIC_TMPL_DEADMAN",
        }
    }

    /// The template in force: the environment variable, or `{topic}.NAME.a0` (for deadmen `{topic}.deadman`).
    ///
    /// # Errors
    /// [`Error::BadEnv`] if it does not contain `{topic}`.
    pub fn template(self) -> Result<String> {
        let variable = self.template_variable();
        let template = match (env::lookup(variable)?, self) {
            (Some(template), _) => template,
            (None, Protocol::Deadman) => "{topic}.deadman".to_owned(),
            (None, protocol) => format!("{PLACEHOLDER}.{}.a0", protocol.name()),
        };
        if !template.contains(PLACEHOLDER) {
            return Err(Error::BadEnv { variable, reason: "it must contain {topic}" });
        }
        Ok(template)
    }

    /// The absolute path of a topic's file.
    ///
    /// # Errors
    /// [`Error::BadTopic`] for an empty or absolute name, or one with a NUL; [`Error::BadEnv`].
    ///
    /// ```
    /// # unsafe { std::env::remove_var("A0_ROOT") };
    /// let path = a0_std::Protocol::PubSub.path("cam/front")?;
    /// assert_eq!(path.to_str(), Some("/dev/shm/alephzero/cam/front.pubsub.a0"));
    /// # Ok::<(), a0_std::Error>(())
    /// ```
    pub fn path(self, topic: &str) -> Result<PathBuf> {
        let bad = |reason| Err(Error::BadTopic { topic: topic.to_owned(), reason });
        if topic.is_empty() {
            return bad("it is empty");
        }
        if topic.starts_with('/') {
            return bad("it starts with '/'; topic names are relative to A0_ROOT");
        }
        if topic.contains('\0') {
            return bad("it contains a NUL character");
        }
        env::resolve(self.template()?.replacen(PLACEHOLDER, topic, 1))
    }
}

impl AsRef<[Protocol]> for Protocol {
    fn as_ref(&self) -> &[Protocol] {
        std::slice::from_ref(self)
    }
}
