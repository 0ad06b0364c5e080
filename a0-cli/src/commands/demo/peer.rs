//! The other process of the demo: this program again, with a hidden command.

use std::hint::spin_loop;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use a0_core::layout::Field;
use a0_core::{Cursor, Mem, RawMem, Select};
use a0_linux::{FileOptions, Mapping, TopicFile};
use a0_std::{Error, File, Init, ReaderSync, Writer};
use clap::{Parser, ValueEnum};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::place::{Place, bare, large, path, pin, small};
use super::{answer_to, syscalls};
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

/// The other process of `a0 demo`.
#[derive(Debug, Parser)]
pub(crate) struct PeerArgs {
    role: Role,
    dir: PathBuf,
    #[arg(long)]
    core: Option<usize>,
}

impl PeerArgs {
    pub(crate) fn run(self) -> Outcome {
        // Refused only for numbers that are no signals.
        let _ = set_pdeathsig(Signal::SIGKILL);
        let relax = Relax::new(self.core.is_none());
        if let Some(core) = self.core {
            pin(core);
        }
        let dir = &self.dir;
        match self.role {
            Role::Answer => answer(dir),
            Role::Line => line(dir, relax),
            Role::Raw => raw(dir, relax),
            Role::Packet => packet(dir, relax),
            Role::Blocking => blocking(dir),
            Role::RawStream => raw_stream(&large(dir, "raw-stream")?),
            Role::PacketStream => packet_stream(&large(dir, "packet-stream")?),
            Role::Traced => syscalls::traced(dir),
            Role::Asleep => asleep(&small(dir, syscalls::WATCHED)?),
        }
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

fn answer(dir: &Path) -> Outcome {
    let me = std::process::id();
    let mut questions = ReaderSync::new(&small(dir, QUESTION)?, Init::Oldest)?;
    let answers = Writer::new(&small(dir, ANSWER)?).with_standard_headers();
    loop {
        let question = questions.read_blocking(Duration::from_secs(10))?;
        let text = String::from_utf8_lossy(question.payload());
        let answer = answer_to(&text);
        writeln!(io::stdout(), "      process {me} hears {text:?} and answers {answer:?}")?;
        io::stdout().flush()?;
        answers.write(answer)?;
    }
}

fn line(dir: &Path, relax: Relax) -> Outcome {
    let mem = shared_line(dir)?;
    let mut expected = 1;
    loop {
        while mem.load_u32(LINE, Acquire) != expected {
            relax.relax();
        }
        mem.store_u32(LINE, expected.wrapping_add(1), Release);
        expected = expected.wrapping_add(2);
    }
}

fn raw(dir: &Path, relax: Relax) -> Outcome {
    let (ping, pong) = (small(dir, "raw-ping")?, small(dir, "raw-pong")?);
    let error = in_topic(&ping);
    let (ping, pong) = (bare(&ping)?, bare(&pong)?);
    let mut cursor = Cursor::oldest(&ping).map_err(&error)?;
    let mut buffer = PAYLOAD;
    loop {
        match ping.read(&mut cursor, Select::Next, &mut &mut buffer[..]).map_err(&error)? {
            Some(_) => {
                pong.lock(None).and_then(|mut pong| pong.push(&buffer)).map_err(&error)?;
            }
            None => relax.relax(),
        }
    }
}

fn packet(dir: &Path, relax: Relax) -> Outcome {
    let mut ping = ReaderSync::new(&small(dir, "packet-ping")?, Init::Oldest)?;
    let pong = Writer::new(&small(dir, "packet-pong")?).with_standard_headers();
    loop {
        match ping.read()? {
            Some(message) => {
                pong.write(message.payload())?;
            }
            None => relax.relax(),
        }
    }
}

fn blocking(dir: &Path) -> Outcome {
    let mut ping = ReaderSync::new(&small(dir, "blocking-ping")?, Init::Oldest)?;
    let pong = Writer::new(&small(dir, "blocking-pong")?).with_standard_headers();
    loop {
        let message = ping.read_blocking(None)?;
        pong.write(message.payload())?;
    }
}

fn raw_stream(file: &File) -> Outcome {
    let topic = bare(file)?;
    loop {
        topic.lock(None).and_then(|mut topic| topic.push(&PAYLOAD)).map_err(in_topic(file))?;
    }
}

fn packet_stream(file: &File) -> Outcome {
    let writer = Writer::new(file).with_standard_headers();
    loop {
        writer.write(PAYLOAD)?;
    }
}

fn asleep(file: &File) -> Outcome {
    let mut reader = ReaderSync::new(file, Init::AwaitNew)?;
    loop {
        reader.read_blocking(None)?;
    }
}
