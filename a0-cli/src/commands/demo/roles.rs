//! What the other process of the demo does, in each of its roles.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;

use a0_core::{Cursor, Mem, Select};
use a0_std::{File, Init, ReaderSync, Writer};
use clap::Parser;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::peer::{ANSWER, LINE, PAYLOAD, QUESTION, Relax, Role, in_topic, shared_line};
use super::place::{bare, large, pin, small};
use super::syscalls;
use crate::end::Outcome;

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

/// What answers to a question.
fn answer_to(question: &str) -> &'static str {
    match question {
        "what is 6 x 7?" => "42",
        "and 6 x 9?" => "54, in most universes",
        _ => "goodbye",
    }
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
