//! The second process: this program again, playing one part.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use a0_core::{Cursor, Select};
use a0_std::{File, FileOptions, Init, ReaderSync, Writer};

use super::bare::Bare;
use super::{ARENA, SIZE, rpc};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::hot::Growing;
use crate::line::Line;
use crate::{Result, pin, topics};

/// How long a stream lasts.
const STREAM: Duration = Duration::from_secs(2);

/// First argument of a child.
const ASKED: &str = "answer";

/// What the child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Line,
    Futex,
    EchoBare,
    EchoRaw,
    EchoPackets,
    EchoBlocking,
    Stream,
    RpcPolled,
    RpcAsleep,
}

impl Role {
    const ALL: [Role; 9] = [
        Role::Line,
        Role::Futex,
        Role::EchoBare,
        Role::EchoRaw,
        Role::EchoPackets,
        Role::EchoBlocking,
        Role::Stream,
        Role::RpcPolled,
        Role::RpcAsleep,
    ];

    /// File of the line.
    pub(super) const LINE: &str = "line";
    /// File of the topic from the parent to the child.
    pub(super) const THERE: &str = "there.a0";
    /// File of the topic from the child to the parent.
    pub(super) const BACK: &str = "back.a0";

    fn name(self) -> String {
        format!("{self:?}")
    }

    fn play(self, dir: &Path) -> Result<()> {
        match self {
            Role::Line => Line::open(&dir.join(Role::LINE)).map(|line| line.play()),
            Role::Futex => Line::open(&dir.join(Role::LINE))?.play_asleep(),
            Role::EchoBare => echo_bare(dir),
            Role::EchoRaw => echo_raw(dir),
            Role::EchoPackets => echo_packets(dir, false),
            Role::EchoBlocking => echo_packets(dir, true),
            Role::Stream => stream(dir),
            Role::RpcPolled | Role::RpcAsleep => rpc::serve(None),
        }
    }
}

/// A running child.
pub(super) struct Peer {
    watcher: JoinHandle<()>,
}

impl Peer {
    /// Starts a child on a core, in a directory that no other child has used.
    pub(super) fn start(role: Role, dir: &Path, core: usize) -> Result<Peer> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ASKED, &role.name(), &pin::core(core)?.to_string()])
            .arg(dir)
            .stdin(Stdio::null())
            .spawn()?;
        // The parent would wait for the answers of a dead child for ever.
        let watcher = thread::spawn(move || match child.wait() {
            Ok(status) if status.success() => {}
            other => {
                eprintln!("the second process failed: {other:?}");
                std::process::exit(1);
            }
        });
        Ok(Peer { watcher })
    }

    /// Waits for the child, which knows from its topic that it is over.
    pub(super) fn finish(self) -> Result<()> {
        self.watcher.join().map_err(|_| "the second process was lost".into())
    }
}

/// Plays a part if the arguments ask for it, and says whether they did.
pub(super) fn answer_if_asked(arguments: &[String]) -> Result<bool> {
    let [asked, role, core, dir] = arguments else { return Ok(false) };
    if asked != ASKED {
        return Ok(false);
    }
    let role = Role::ALL.into_iter().find(|known| known.name() == *role).ok_or("no such part")?;
    // A child does not outlive its parent, whatever the parent dies of.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let core = core.parse()?;
    if role == Role::RpcPolled {
        // Sees all cores first.
        rpc::serve(Some(core))?;
        return Ok(true);
    }
    pin::to(core)?;
    role.play(Path::new(dir))?;
    Ok(true)
}

/// Writes packets with standard headers to a file of the directory.
pub(super) fn writer(dir: &Path, file: &str) -> Result<Writer> {
    Ok(Writer::new(&File::open(dir.join(file), &FileOptions::default())?).with_standard_headers())
}

/// Reads what comes from now on in a file of the directory.
pub(super) fn reader(dir: &Path, file: &str) -> Result<ReaderSync> {
    Ok(ReaderSync::new(&File::open(dir.join(file), &FileOptions::default())?, Init::AwaitNew)?)
}

fn echo_bare(dir: &Path) -> Result<()> {
    let (mut there, mut back) = (Bare::open(&dir.join(Role::THERE))?, Bare::open(&dir.join(Role::BACK))?);
    let mut buffer = [0; SIZE];
    while there.receive(&mut buffer) {
        back.send(&buffer);
    }
    Ok(())
}

fn echo_raw(dir: &Path) -> Result<()> {
    let there = topics::raw(&dir.join(Role::THERE), ARENA)?;
    let back = topics::raw(&dir.join(Role::BACK), ARENA)?;
    let mut cursor = Cursor::end(&there)?;
    let mut buffer = Growing::default();
    // Says that it is ready: old messages are not for it.
    back.lock(None)?.push(&[])?;
    loop {
        if !there.spin_for_news(&cursor, super::LOOKS) {
            continue;
        }
        match there.read(&mut cursor, Select::Next, &mut buffer)? {
            None => {}
            Some(received) if received.len == 0 => return Ok(()),
            Some(received) => drop(back.lock(None)?.push(&buffer.0[..received.len])?),
        }
    }
}

fn echo_packets(dir: &Path, blocking: bool) -> Result<()> {
    let back = writer(dir, Role::BACK)?;
    let file = File::open(dir.join(Role::THERE), &FileOptions::default())?;
    let mut there = ReaderSync::new(&file, Init::Oldest)?;
    loop {
        let message = if blocking { Some(there.read_blocking(None)?) } else { there.read()? };
        match message {
            None => std::hint::spin_loop(),
            Some(message) if message.payload().is_empty() => return Ok(()),
            Some(message) => drop(back.write(message.payload())?),
        }
    }
}

fn stream(dir: &Path) -> Result<()> {
    let topic = topics::raw(&dir.join(Role::THERE), topics::DEFAULT_ARENA)?;
    let started = Instant::now();
    while started.elapsed() < STREAM {
        for _ in 0..1000 {
            topic.lock(None)?.push(&[7; SIZE])?;
        }
    }
    topic.lock(None)?.push(&[])?;
    Ok(())
}
