//! Which topics are recorded, and which rule applies to each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use a0_std::{Clock, DiscoveredTopic, DiscoveryEvent, DiscoverySync, PathGlob, Protocol, SystemClock, Templates, env};

use crate::end::Outcome;
use crate::recording::rules::message_selector::MessageSelector;
use crate::recording::rules::signal_log::SignalLog;
use crate::recording::rules::{Kind, Rules, Verdict};
use crate::recording::{FILE, Subject, protocols};

/// How far back recording begins with rules, in nanoseconds, as in 0.3.
const BACK: u64 = 30_000_000_000;

/// Finds what the command line and the rules are about.
pub(super) struct Finder {
    topics: Vec<DiscoverySync<DiscoveredTopic>>,
    /// For rules about files.
    files: Vec<DiscoverySync>,
    templates: Templates,
    patterns: Vec<PathGlob>,
    root: PathBuf,
    all_protocols: bool,
}

/// A file that was found, and the topic it is of.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) topic: Option<(Protocol, String)>,
}

/// Rules that are in force.
pub(super) struct Ruling {
    pub(super) rules: Rules,
    pub(super) signals: SignalLog,
    /// What is earlier is not recorded; nanoseconds since boot.
    pub(super) start: u64,
    /// Topics of which nothing is recorded.
    pub(super) left_out: BTreeSet<PathBuf>,
}

impl Finder {
    pub(super) fn new(patterns: &[String], protocol: &[String], rules: Option<&Rules>) -> Outcome<Finder> {
        let asked = |wanted: &Protocol| protocol.iter().any(|name| name == wanted.name());
        let all_protocols = protocol.is_empty();
        let wanted: Vec<_> = protocols().filter(|protocol| all_protocols || asked(protocol)).collect();
        let topics = patterns.iter().map(|pattern| DiscoverySync::topics(&wanted, pattern));
        let patterns = patterns.iter().map(PathGlob::new).collect::<Result<_, _>>()?;
        let files = rules.iter().flat_map(|rules| &rules.rules).filter(|rule| rule.kind == Kind::File && all_protocols);
        Ok(Finder {
            topics: topics.collect::<Result<_, _>>()?,
            files: files.map(|rule| DiscoverySync::new(&rule.topic)).collect::<Result<_, _>>()?,
            templates: Templates::new(Protocol::ALL)?,
            patterns,
            root: env::root()?,
            all_protocols,
        })
    }

    /// What has come or gone.
    pub(super) fn next(&mut self) -> Option<DiscoveryEvent<Candidate>> {
        let topic = self.topics.iter_mut().find_map(DiscoverySync::read);
        let candidate =
            |topic: DiscoveredTopic| Candidate { path: topic.path, topic: Some((topic.protocol, topic.name)) };
        match topic {
            Some(DiscoveryEvent::Found(topic)) => return Some(DiscoveryEvent::Found(candidate(topic))),
            Some(DiscoveryEvent::Removed(topic)) => return Some(DiscoveryEvent::Removed(candidate(topic))),
            None => {}
        }
        loop {
            let event = self.files.iter_mut().find_map(DiscoverySync::read)?;
            let (DiscoveryEvent::Found(path) | DiscoveryEvent::Removed(path)) = &event;
            let topic = self.templates.topic(path);
            let candidate = Candidate { path: path.clone(), topic };
            // Deadmen have no messages.
            let is_deadman = candidate.topic.as_ref().is_some_and(|topic| topic.0 == Protocol::Deadman);
            let (_, name) = self.names(&candidate);
            if is_deadman || !self.all_protocols || !self.patterns.iter().any(|pattern| pattern.matches(&name)) {
                continue;
            }
            return Some(match event {
                DiscoveryEvent::Found(_) => DiscoveryEvent::Found(candidate),
                DiscoveryEvent::Removed(_) => DiscoveryEvent::Removed(candidate),
            });
        }
    }

    fn names(&self, candidate: &Candidate) -> (&'static str, String) {
        match &candidate.topic {
            Some((protocol, name)) => (protocol.name(), name.clone()),
            None => (FILE, candidate.path.strip_prefix(&self.root).unwrap_or(&candidate.path).to_string_lossy().into()),
        }
    }

    /// What it is recorded as.
    pub(super) fn subject(&self, candidate: Candidate) -> Subject {
        let (protocol, name) = self.names(&candidate);
        Subject { protocol, name, path: candidate.path, rule: None }
    }
}

impl Ruling {
    pub(super) fn new(rules: Rules, history: bool) -> Outcome<Ruling> {
        let now = SystemClock.mono().as_nanos();
        let start = match (history, rules.start) {
            (true, _) => 0,
            (false, Some(start)) => start.as_nanos(),
            (false, None) => now.saturating_sub(BACK),
        };
        Ok(Ruling { signals: SignalLog::new(&rules, history, now)?, rules, start, left_out: BTreeSet::new() })
    }

    /// Whether something is recorded of a topic, and who chooses its messages unless all are wanted.
    pub(super) fn admit(&mut self, candidate: &Candidate) -> Option<(Option<String>, Option<MessageSelector>)> {
        let number = number(&self.rules, candidate)?;
        let rule = &self.rules.rules[number];
        match rule.verdict() {
            Verdict::All => Some((None, None)),
            Verdict::None => None,
            Verdict::Some => {
                let selector = MessageSelector::new(number, &rule.policies, &self.signals);
                Some((Some(rule.text.clone()), Some(selector)))
            }
        }
    }

    pub(super) fn leave_out(&mut self, path: &Path) {
        self.left_out.insert(path.to_owned());
    }
}

/// The number of the rule that applies.
pub(super) fn number(rules: &Rules, candidate: &Candidate) -> Option<usize> {
    let topic = candidate.topic.as_ref().map(|(protocol, name)| (*protocol, name.as_str()));
    rules.of(topic, &candidate.path)
}
