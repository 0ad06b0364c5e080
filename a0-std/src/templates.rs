//! Which topic a file belongs to: templates of file names, read backwards.

use std::cmp::Reverse;
use std::path::Path;

use crate::env;
use crate::error::Result;
use crate::glob::Pattern;
use crate::topic::{PLACEHOLDER, Protocol};

/// The templates in force of some protocols' file names, to find out which topic a file belongs to.
///
/// ```
/// use a0_std::{Protocol, Templates};
/// # unsafe { std::env::remove_var("A0_ROOT") };
///
/// let templates = Templates::new(Protocol::ALL)?;
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

    /// What stands before the topics in the paths of files.
    pub(crate) fn befores(&mut self) -> impl Iterator<Item = &mut String> {
        self.templates.iter_mut().map(|template| &mut template.before)
    }

    /// Whether files of topics like this can be in a directory or below it.
    pub(crate) fn can_lie_below(&self, dir: &Path, topics: &Pattern) -> bool {
        let mut dir = dir.to_string_lossy().into_owned();
        if !dir.ends_with('/') {
            dir.push('/');
        }
        self.templates.iter().any(|template| {
            let Some(start) = dir.strip_prefix(template.before.as_str()) else {
                return template.before.starts_with(&dir);
            };
            // Either the topic goes on below, or it has ended, and a template with slashes goes on.
            let goes_on = |start: &str| !start.is_empty() && topics.matches_below(start.as_bytes());
            let has_ended = |(slash, _): (usize, &str)| {
                let topic = start.strip_suffix(&template.behind[..=slash]);
                topic.is_some_and(|topic| topics.matches(topic.as_bytes()))
            };
            start.is_empty()
                || start.strip_suffix('/').is_some_and(goes_on)
                || template.behind.match_indices('/').any(has_ended)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_topics() {
        let below = |before: &str, behind: &str, topics: &str, dir: &str| {
            let template =
                Template { protocol: Protocol::PubSub, before: before.to_owned(), behind: behind.to_owned() };
            Templates { templates: vec![template] }.can_lie_below(Path::new(dir), &Pattern::new(topics.as_bytes()))
        };
        for dir in ["/", "/r", "/r/cam", "/r/cam/x"] {
            assert!(below("/r/", ".a0", "cam/**", dir), "{dir}");
        }
        for dir in ["/x", "/r/lidar", "/r/camera"] {
            assert!(!below("/r/", ".a0", "cam/**", dir), "{dir}");
        }
        assert!(!below("/r/", ".a0", "*", "/r/cam"));
        // The name starts in the middle of a component.
        assert!(below("/r/aaa", "ccc", "*/b", "/r/aaax") && below("/r/aaa", "ccc", "**", "/r/aaax/y"));
        assert!(!below("/r/aaa", "ccc", "**", "/r/b") && !below("/r/aaa", "ccc", "**", "/r/aaa"));
        // The name ends before the last component.
        assert!(below("/r/", "/in/f", "x", "/r/x") && below("/r/", "/in/f", "x", "/r/x/in"));
        assert!(!below("/r/", "/in/f", "x", "/r/y") && !below("/r/", "/in/f", "x", "/r/x/out"));
    }
}
