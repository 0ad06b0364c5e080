//! The hot paths, each set up so that one call is one operation in steady state.

use std::fs;

use a0_core::packet::keys;
use a0_core::{Buffer, Clock, Cursor, Encoder, FlatPacket, Id, Select};
use a0_linux::SystemClock;
use a0_std::{
    ClientOptions, File, FileOptions, Init, ReaderSync, Request, RpcClient, RpcServer, ServerOptions, Wait, Writer,
    env, random_id,
};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use crate::Result;
use crate::topics::{self, DEFAULT_ARENA, RawTopic};

/// A topic with its directory.
pub struct Scratch {
    topic: RawTopic,
    dir: TempDir,
}

impl Scratch {
    /// An empty topic.
    ///
    /// # Errors
    /// As [`topics::raw`].
    pub fn new(arena: u64) -> Result<Scratch> {
        let dir = topics::directory()?;
        Ok(Scratch { topic: topics::raw(&dir.path().join("topic.a0"), arena)?, dir })
    }

    /// A topic full of messages of this size.
    ///
    /// # Errors
    /// As [`Scratch::new`].
    pub fn full(arena: u64, size: usize) -> Result<Scratch> {
        let scratch = Scratch::new(arena)?;
        fill(&scratch.topic, size)?;
        Ok(scratch)
    }

    /// The topic.
    pub fn topic(&self) -> &RawTopic {
        &self.topic
    }

    /// The same topic, for packets.
    ///
    /// # Errors
    /// As [`File::open`].
    pub fn file(&self) -> Result<File> {
        Ok(File::open(self.dir.path().join("topic.a0"), &FileOptions::default())?)
    }
}

/// Publishes messages of this size until each one evicts another.
///
/// # Errors
/// If publishing fails.
pub fn fill(topic: &RawTopic, size: usize) -> Result<()> {
    let payload = vec![7; size];
    // Until the first eviction, and once around: every page is mapped, every frame lies where it stays.
    while topic.state()?.seq_low <= 2 {
        topic.lock(None)?.push(&payload)?;
    }
    for _ in 0..topic.state()?.frame_count() {
        topic.lock(None)?.push(&payload)?;
    }
    Ok(())
}

/// Publishes a raw message, evicting others.
///
/// # Errors
/// As [`Scratch::full`].
pub fn publish_raw(arena: u64, size: usize) -> Result<impl FnMut()> {
    let scratch = Scratch::full(arena, size)?;
    let payload = vec![7; size];
    Ok(move || {
        scratch.topic.lock(None).and_then(|locked| locked.publish(&payload)).expect("publishing works");
    })
}

/// Publishes a payload in a packet with a new id and the five standard headers, evicting others.
///
/// # Errors
/// As [`Scratch::full`].
pub fn publish_packet(arena: u64, size: usize, headers: &'static [(&str, &str)]) -> Result<impl FnMut()> {
    let scratch = Scratch::full(arena, size + 320)?;
    let writer = Writer::new(&scratch.file()?).with_standard_headers();
    let payload = vec![7; size];
    Ok(move || {
        // The topic must not be removed while it is written to.
        let _ = &scratch;
        writer.write_with(headers, &payload).expect("publishing works");
    })
}

/// A buffer as a reader keeps it: it only grows.
#[derive(Default)]
pub struct Growing(pub Vec<u8>);

impl Buffer for Growing {
    #[inline]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        if self.0.len() < len {
            self.0.resize(len, 0);
        }
        self.0.get_mut(..len)
    }
}

/// A full history, and a reader that starts over when it has read it.
pub struct Replay {
    scratch: Scratch,
    cursor: Cursor,
    buffer: Growing,
    /// Messages in the history.
    pub count: u64,
}

impl Replay {
    /// A history of raw messages.
    ///
    /// # Errors
    /// As [`Scratch::full`].
    pub fn raw(arena: u64, size: usize) -> Result<Replay> {
        Replay::of(Scratch::full(arena, size)?)
    }

    /// A history of packets with standard headers.
    ///
    /// # Errors
    /// As [`Scratch::full`].
    pub fn packets(arena: u64, size: usize) -> Result<Replay> {
        let scratch = Scratch::full(arena, size + 320)?;
        let writer = Writer::new(&scratch.file()?).with_standard_headers();
        for _ in 0..2 * scratch.topic.state()?.frame_count() {
            writer.write(vec![7; size])?;
        }
        Replay::of(scratch)
    }

    fn of(scratch: Scratch) -> Result<Replay> {
        let cursor = Cursor::oldest(&scratch.topic)?;
        let count = scratch.topic.state()?.frame_count();
        Ok(Replay { scratch, cursor, buffer: Growing::default(), count })
    }

    /// Reads the next message; gives its length.
    ///
    /// # Panics
    /// If that fails.
    #[inline(always)]
    pub fn step(&mut self) -> usize {
        loop {
            match self.scratch.topic.read(&mut self.cursor, Select::Next, &mut self.buffer).expect("reading works") {
                Some(received) => return received.len,
                None => self.cursor = Cursor::oldest(&self.scratch.topic).expect("the state is sound"),
            }
        }
    }

    /// Reads the next message and checks that it is a packet.
    ///
    /// # Panics
    /// If it is none.
    #[inline]
    pub fn step_packet(&mut self) -> usize {
        let len = self.step();
        FlatPacket::parse(&self.buffer.0[..len]).expect("a packet").payload().len()
    }
}

/// Reads when there is nothing.
///
/// # Errors
/// As [`Scratch::full`].
pub fn poll_empty() -> Result<impl FnMut() -> bool> {
    let scratch = Scratch::full(1 << 16, 64)?;
    let mut cursor = Cursor::end(&scratch.topic)?;
    let mut buffer = Growing::default();
    Ok(move || scratch.topic.read(&mut cursor, Select::Next, &mut buffer).is_ok_and(|found| found.is_none()))
}

/// Publishes a packet and reads it, both as programs do.
///
/// # Errors
/// As [`Scratch::full`].
pub fn publish_and_read() -> Result<impl FnMut() -> usize> {
    let scratch = Scratch::full(1 << 16, 64 + 320)?;
    let file = scratch.file()?;
    let writer = Writer::new(&file).with_standard_headers();
    let mut reader = ReaderSync::new(&file, Init::AwaitNew)?;
    let payload = vec![7; 64];
    Ok(move || {
        let _ = &scratch;
        writer.write(&payload).expect("publishing works");
        let message = reader.read().expect("reading works").expect("it was just published");
        message.payload().len()
    })
}

/// Calls a server of the same process. Both sides sleep at once, so that what they do does not depend on how fast they are.
///
/// # Errors
/// As [`RpcClient::with_options`].
pub fn rpc() -> Result<impl FnMut()> {
    // A topic's name is relative.
    let root = env::root()?;
    fs::create_dir_all(&root)?;
    let dir = tempfile::tempdir_in(&root)?;
    let topic = dir.path().strip_prefix(&root)?.join("rpc").to_string_lossy().into_owned();
    let file = FileOptions::default().size(1 << 16);
    let options = ServerOptions::default().wait(Wait::Sleep).file(file.clone());
    let reply = |request: Request| drop(request.reply(request.payload()));
    let server = RpcServer::with_options(&topic, options, reply, |_| {})?;
    let client = RpcClient::with_options(&topic, ClientOptions::default().wait(Wait::Sleep).file(file))?;
    let payload = vec![7; 64];
    Ok(move || {
        let _ = (&dir, &server);
        client.call(&payload, None).expect("the server answers");
    })
}

/// A packet of 64 bytes with standard headers, of fixed content.
#[derive(Debug)]
pub struct Sample {
    /// Its id.
    pub id: Id,
    writer: Id,
    /// Its payload.
    pub payload: [u8; 64],
}

impl Default for Sample {
    fn default() -> Self {
        Sample { id: random_id(), writer: random_id(), payload: [7; 64] }
    }
}

impl Sample {
    /// The five standard headers.
    pub fn headers(&self) -> [(&str, &str); 5] {
        [
            (keys::TRANSPORT_SEQ, "123456"),
            (keys::TIME_MONO, "0000123456789012345"),
            (keys::WRITER_SEQ, "123456"),
            (keys::WRITER_ID, self.writer.as_str()),
            (keys::TIME_WALL, "2023-09-13T20:00:06.000000042-00:00"),
        ]
    }

    /// Encodes it; gives its length.
    ///
    /// # Panics
    /// If the buffer is too small.
    pub fn encode(&self, into: &mut [u8]) -> usize {
        Encoder::new(&self.id, &[&self.headers()], &self.payload)
            .and_then(|encoder| encoder.encode_into(into))
            .expect("room for a packet")
    }

    /// Decodes one, and looks at its payload and at its last header; gives how long they are.
    ///
    /// # Panics
    /// If it is not what [`Sample::encode`] makes.
    pub fn decode(packet: &[u8]) -> usize {
        let packet = FlatPacket::parse(packet).expect("a packet");
        let (_, wall) = packet.headers().last().expect("five headers");
        packet.payload().len() + wall.len()
    }
}

/// Runs one hot path `count` times, for a profiler; `false` if there is none of that name.
///
/// # Errors
/// If it cannot be set up.
pub fn run(name: &str, count: u64) -> Result<bool> {
    fn times<T>(count: u64, mut f: impl FnMut() -> T) {
        if std::env::var_os("A0_UNTIMED").is_some() {
            (0..count).for_each(|_| drop(std::hint::black_box(f())));
            return;
        }
        // Processor time, and the best of ten parts: others may use the core meanwhile.
        let now = || clock_gettime(ClockId::ThreadCPUTime);
        let part = (count / 10).max(1);
        let mut best = f64::INFINITY;
        for _ in 0..count / part {
            let started = now();
            for _ in 0..part {
                std::hint::black_box(f());
            }
            let taken = now();
            let nanos = (taken.tv_sec - started.tv_sec) * 1_000_000_000 + taken.tv_nsec - started.tv_nsec;
            best = best.min(nanos as f64 / part as f64);
        }
        eprintln!("{best:.2} ns each");
    }
    match name {
        "none" => times(count, || ()),
        "publish" => times(count, publish_raw(DEFAULT_ARENA, 64)?),
        "publish-64k-arena" => times(count, publish_raw(1 << 16, 64)?),
        "packet" => times(count, publish_packet(DEFAULT_ARENA, 64, &[])?),
        "packet-64k-arena" => times(count, publish_packet(1 << 16, 64, &[])?),
        "packet-user" => times(count, publish_packet(1 << 16, 64, &[("unit", "mm")])?),
        "replay" => {
            let mut replay = Replay::raw(DEFAULT_ARENA, 64)?;
            times(count, || replay.step());
        }
        "replay-64k-arena" => {
            let mut replay = Replay::raw(1 << 16, 64)?;
            times(count, || replay.step());
        }
        "replay-packets" => {
            let mut replay = Replay::packets(DEFAULT_ARENA, 64)?;
            times(count, || replay.step_packet());
        }
        "poll" => times(count, poll_empty()?),
        "id" => times(count, random_id),
        "mono" => times(count, || SystemClock.mono()),
        "wall" => times(count, || SystemClock.wall()),
        "encode" => {
            let (sample, mut buffer) = (Sample::default(), [0; 512]);
            times(count, || sample.encode(std::hint::black_box(&mut buffer)));
        }
        "decode" => {
            let (sample, mut buffer) = (Sample::default(), [0; 512]);
            let len = sample.encode(&mut buffer);
            times(count, || Sample::decode(std::hint::black_box(&buffer[..len])));
        }
        "publish-and-read" => times(count, publish_and_read()?),
        "rpc" => times(count, rpc()?),
        _ => return Ok(false),
    }
    Ok(true)
}
