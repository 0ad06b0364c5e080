//! Which topic a file belongs to: templates of file names, read backwards.

use std::cmp::Reverse;
use std::path::Path;

use crate::env;
use crate::error::Result;
use crate::topic::{PLACEHOLDER, Protocol};

/// The templates in force of some protocols' file names, to find out which topic a file belongs to.
///
/// ```
/// use a0_std::{Protocol, Templates};
/// # unsafe { std::env::remove_var("A0_ROOT") };
///
/// let templates = Templates::new(&Protocol::ALL)?;
/// let (protocol, topic) = templates.topic("/dev/shm/alephzero/cam/front.pubsub.a0").expect("the name of a topic");
/// assert_eq!((protocol, &*topic), (Protocol::PubSub, "cam/front"));
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Templates {
    /// The one that says most about a name first.
    templates: Vec<Template>,
}

/// A template as an absolute path, without the topic.
#[derive(Clone, Debug)]
struct Template {
    protocol: Protocol,
    before: String,
    behind: String,
}

impl Templates {
    /// The templates of these protocols.
    ///
    /// # Errors
    /// [`Error::BadEnv`](crate::Error::BadEnv).
    pub fn new(protocols: &[Protocol]) -> Result<Templates> {
        let mut templates = vec![];
        for &protocol in protocols {
            let template = protocol.template()?;
            let (before, behind) = template.split_once(PLACEHOLDER).unwrap_or_default();
            let before = env::resolve(before)?.to_string_lossy().into_owned();
            templates.push(Template { protocol, before, behind: behind.to_owned() });
        }
        templates.sort_by_key(|template| Reverse(template.before.len() + template.behind.len()));
        Ok(Templates { templates })
    }

    /// The topic that a file with this absolute path belongs to; `None` if its name is no topic's. Where several
    /// templates match, the longest counts. Bytes that are not UTF-8, which no topic name has, are replaced.
    pub fn topic(&self, path: impl AsRef<Path>) -> Option<(Protocol, String)> {
        let path = path.as_ref();
        if a0_linux::is_temporary(path) {
            return None;
        }
        let text = path.to_string_lossy();
        self.templates.iter().find_map(|template| {
            let topic = text.strip_prefix(template.before.as_str())?.strip_suffix(template.behind.as_str())?;
            let named = !topic.is_empty() && !topic.starts_with('/');
            named.then(|| (template.protocol, topic.to_owned()))
        })
    }
}
