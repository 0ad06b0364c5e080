//! The other process of the demo: this program again, with a hidden command.

use std::hint::spin_loop;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use a0_core::RawMem;
use a0_core::layout::Field;
use a0_linux::{FileOptions, Mapping, TopicFile};
use a0_std::{Error, File};
use clap::ValueEnum;

use super::place::{Place, path};
use crate::end::{End, Outcome};

/// The hidden command.
pub(crate) const PEER: &str = "demo-peer";

pub(super) const QUESTION: &str = "question";
pub(super) const ANSWER: &str = "answer";

/// The one word that goes back and forth, on a line of its own.
pub(super) const LINE: Field<u32> = Field::at(1024);

/// What is sent in all measurements.
pub(super) const PAYLOAD: [u8; 64] = [b'x'; 64];

/// What the other process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Answer,
    Line,
    Raw,
    Packet,
    Blocking,
    RawStream,
    PacketStream,
    Traced,
    Asleep,
}

impl Role {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The other process. Killed when this is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) child: Child,
}

impl Peer {
    pub(super) fn start(place: &Place, role: Role) -> Outcome<Peer> {
        Peer::start_with_output(place, role, Stdio::inherit())
    }

    pub(super) fn start_with_output(place: &Place, role: Role, output: Stdio) -> Outcome<Peer> {
        let mut command = Command::new("/proc/self/exe");
        command.args([PEER, &role.name()]).arg(place.dir()).stdin(Stdio::null()).stdout(output);
        if let Some([_, second]) = place.cores() {
            command.args(["--core", &second.to_string()]);
        }
        let child = command.spawn().map_err(|error| End::failed(format_args!("cannot start a process: {error}")))?;
        Ok(Peer { child })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What to do between two looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relax {
    yields: bool,
}

impl Relax {
    pub(super) fn new(single_core: bool) -> Relax {
        Relax { yields: single_core }
    }

    /// Nothing for a moment, or let the other process run if there is only one core.
    #[inline]
    pub(super) fn relax(self) {
        if self.yields {
            thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

/// Shared memory that is no topic, for the raw line.
pub(super) fn shared_line(dir: &Path) -> Outcome<RawMem<Mapping>> {
    let opened = TopicFile::open(&path(dir, "line"), &FileOptions::default().size(4096));
    Ok(opened.map_err(Error::from)?.1)
}

pub(super) fn in_topic(file: &File) -> impl Fn(a0_core::Error) -> End {
    let path = file.path();
    move |cause| Error::Topic { path: path.to_owned(), cause }.into()
}
