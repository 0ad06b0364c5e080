//! Rules that say what is recorded of which topic, in the JSON that the logger of AlephZero 0.3 takes.

mod cron;
mod json;
pub(crate) mod message_selector;
mod parse;
mod signal;
pub(crate) mod signal_log;
mod signal_source;
mod timer;

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::time::Duration;

use a0_std::{PathGlob, Protocol, TimeMono};

pub(crate) use cron::Cron;

use crate::recording::split::Split;

/// What a file of rules says.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The directory that recordings go to.
    pub(crate) savepath: Option<PathBuf>,
    pub(crate) split: Split,
    /// What is older is not recorded.
    pub(crate) start: Option<TimeMono>,
    /// The first one that matches a topic applies to it.
    pub(crate) rules: Vec<Rule>,
    /// What is allowed and surely not meant.
    pub(crate) warnings: Vec<String>,
}

/// What is recorded of some topics.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    pub(crate) topic: String,
    glob: PathGlob,
    /// What any of them saves is saved.
    pub(crate) policies: Vec<Policy>,
    /// The rule as it was written.
    pub(crate) text: String,
}

/// What a rule's pattern is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The path of any file, below A0_ROOT.
    File,
    /// The names of topics.
    Topic(Protocol),
}

/// One reason to save messages.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) action: Action,
    pub(crate) triggers: Vec<Trigger>,
    /// Topics that switch it on and off. It starts switched off if there is any.
    pub(crate) controls: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    SaveAll {
        ignore_control: bool,
    },
    DropAll,
    /// Messages from this long before a trigger to this long after it.
    Time {
        prev: Duration,
        next: Duration,
    },
    /// So many messages before a trigger, and after it.
    Count {
        prev: u64,
        next: u64,
    },
}

#[derive(Debug)]
pub(crate) enum Trigger {
    /// Each message of topics whose names match.
    PubSub {
        topic: String,
    },
    Rate {
        period: Duration,
    },
    Cron(Cron),
}

/// What becomes of a topic's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    All,
    None,
    Some,
}

impl Rules {
    /// The number of the rule for a file, which may be that of a topic.
    pub(crate) fn of(&self, topic: Option<(Protocol, &str)>, path: &Path) -> Option<usize> {
        self.rules.iter().position(|rule| match (rule.kind, topic) {
            (Kind::File, _) => rule.glob.matches(path),
            (Kind::Topic(wanted), Some((protocol, name))) => wanted == protocol && rule.glob.matches(name),
            (Kind::Topic(_), None) => false,
        })
    }
}

impl Rule {
    pub(crate) fn verdict(&self) -> Verdict {
        let saves_all = |policy: &Policy| match policy.action {
            Action::SaveAll { ignore_control } => ignore_control || policy.controls.is_empty(),
            _ => false,
        };
        match &self.policies[..] {
            policies if policies.iter().any(saves_all) => Verdict::All,
            policies if policies.iter().all(|policy| matches!(policy.action, Action::DropAll)) => Verdict::None,
            _ => Verdict::Some,
        }
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Topic(protocol) => protocol.name(),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.policies.is_empty() {
            f.write_str("drop_all")?;
        }
        for (number, policy) in self.policies.iter().enumerate() {
            write!(f, "{}{policy}", if number == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            Action::SaveAll { .. } => f.write_str("save_all")?,
            Action::DropAll => f.write_str("drop_all")?,
            Action::Time { prev, next } => write!(f, "{prev:?} before and {next:?} after")?,
            Action::Count { prev, next } => write!(f, "{prev} messages before and {next} after")?,
        }
        for (number, trigger) in self.triggers.iter().enumerate() {
            write!(f, "{}{trigger}", if number == 0 { " " } else { ", " })?;
        }
        match (&self.controls[..], self.action) {
            ([], _) | (_, Action::SaveAll { ignore_control: true }) => Ok(()),
            (controls, _) => write!(f, ", while {} says on", controls.join(" or ")),
        }
    }
}

impl Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::PubSub { topic } => write!(f, "each message of {topic}"),
            Trigger::Rate { period } => write!(f, "every {period:?}"),
            Trigger::Cron(cron) => write!(f, "cron {cron} UTC"),
        }
    }
}
