//! What the files hold.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use a0_core::layout::MAGIC;
use a0_std::{Error, Protocol, Templates};
use rustix::fs::{Access, access};

use super::finding::Report;
use super::observed_lock::{self, ObservedLock};
use super::place::Place;
use super::tree::Entry;
use crate::commands::verify;
use crate::end::End;
use crate::inspect::{self, Condition};

/// Looks at one after the other.
pub(super) struct Topics {
    /// `None` if some cannot be used.
    templates: Option<Templates>,
    full: bool,
    /// Locks that were held when their topics were looked at.
    pub(super) held: Vec<ObservedLock>,
    /// The users to whom topics belong.
    pub(super) owners: BTreeSet<u32>,
}

impl Topics {
    pub(super) fn new(place: &Place, templates: Option<Templates>) -> Topics {
        Topics { templates, full: place.full, held: vec![], owners: BTreeSet::new() }
    }

    pub(super) fn examine(&mut self, report: &mut Report, Entry { path, metadata }: Entry) {
        let protocol =
            self.templates.as_ref().and_then(|templates| templates.topic(&path)).map(|(protocol, _)| protocol);
        let named = protocol.is_some() || path.extension().is_some_and(|extension| extension == "a0");
        if named {
            self.owners.insert(metadata.uid());
        }
        if access(&path, Access::READ_OK).is_err() {
            if named {
                let problem = format!("this user may not read it; {}", owner(&metadata));
                report.warning("permissions", Some(&path), problem, &chmod(&path, "o+rw"));
            }
            return;
        }
        if !named {
            return self.unknown(report, &path);
        }
        if access(&path, Access::WRITE_OK).is_err() {
            let problem = format!("this user may read it, but not write to it; {}", owner(&metadata));
            report.warning("permissions", Some(&path), problem, &chmod(&path, "o+rw"));
        }
        if metadata.len() == 0 {
            let remedy = format!("a0 rm {}; the next program that uses it creates it anew", path.display());
            return report.error("file", Some(&path), "is empty, so no program can open it", &remedy);
        }
        if self.full && metadata.blocks().saturating_mul(512) < metadata.len() {
            let problem = "was not looked at: some of its pages were never written, the filesystem is full, and the \
                           system kills whoever reads them";
            return report.error("topic", Some(&path), problem, "make space; then run a0 doctor again");
        }
        match inspect::open(&path) {
            Ok(Condition::Deadman(_)) => {
                observed_lock::deadman(report, &path, metadata.ino());
                mixed_up(report, &path, protocol.filter(|protocol| *protocol != Protocol::Deadman), "a deadman");
            }
            Ok(Condition::New { .. }) => {
                report.note("topic", Some(&path), "no program has written to it yet");
                self.held.extend(ObservedLock::look(&path, metadata.ino()));
                mixed_up(report, &path, protocol.filter(|protocol| *protocol == Protocol::Deadman), "a topic");
            }
            Ok(Condition::Topic(file)) => {
                self.held.extend(ObservedLock::look(&path, metadata.ino()));
                verify(report, &path, &file);
                namespace(report, &path, &file);
                mixed_up(report, &path, protocol.filter(|protocol| *protocol == Protocol::Deadman), "a topic");
            }
            Err(error @ Error::Topic { cause: a0_std::TopicError::Uninitialized, .. }) => {
                let remedy =
                    "start any program that writes to it: it is converted in place. 0.2 programs cannot use it then";
                report.warning("topic", Some(&path), inspect::reason(&path, &error), remedy);
            }
            Err(error) => report.error("topic", Some(&path), error, &remove(&path)),
        }
    }

    /// A file that no topic has by its name.
    fn unknown(&self, report: &mut Report, path: &Path) {
        if self.templates.is_none() {
            return;
        }
        let mut start = [0; MAGIC.len()];
        let read = File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
        let problem = match read {
            Ok(()) if start == MAGIC => "is a topic that no program finds, because no template makes such a name",
            _ => "is of unknown kind, and no topic by its name",
        };
        report.warning("file", Some(path), problem, "keep it elsewhere, or set A0_TOPIC_TMPL_… as its programs do");
    }
}

fn verify(report: &mut Report, path: &Path, file: &a0_std::File) {
    let (mut first, mut count) = (None, 0_u64);
    let verified = verify::examine(file, |problem| {
        first.get_or_insert_with(|| problem.to_string());
        count += 1;
    });
    // Whoever stops the doctor, or closes its output, is noticed elsewhere.
    if let Err(End::Failed(reason)) = verified {
        first.get_or_insert(reason);
    }
    let Some(first) = first else { return };
    let more = if count > 1 { format!("; and {} more", count - 1) } else { String::new() };
    let remedy = format!("a0 verify {} says everything; {}", path.display(), remove(path));
    report.error("topic", Some(path), format_args!("is damaged: {first}{more}"), &remedy);
}

/// Says so if programs in another PID namespace write to it, or did when somebody last looked.
fn namespace(report: &mut Report, path: &Path, file: &a0_std::File) {
    if let Some(mark) = file.header().pid_namespace.filter(|mark| inspect::is_foreign_namespace(*mark)) {
        let problem = format!(
            "was last written to from PID namespace {mark}: programs here can only read it, as long as those there have \
             it open"
        );
        let remedy = "give all programs one PID namespace: docker run --pid=host, or --pid=container:NAME";
        report.warning("namespace", Some(path), problem, remedy);
    }
}

/// A file whose content is not what its name says.
fn mixed_up(report: &mut Report, path: &Path, named: Option<Protocol>, what: &str) {
    if let Some(protocol) = named {
        let problem = format!("is {what}, but has the name of another protocol ({})", protocol.name());
        report.error("file", Some(path), problem, &remove(path));
    }
}

fn owner(metadata: &std::fs::Metadata) -> String {
    format!("it belongs to user {} and has mode {:04o}", metadata.uid(), metadata.mode() & 0o7777)
}

fn chmod(path: &Path, mode: &str) -> String {
    format!("as its owner or root: chmod {mode} {}", path.display())
}

fn remove(path: &Path) -> String {
    format!("end its programs, then a0 rm {}; the next one that uses it creates it anew", path.display())
}
