//! The measurements. Each starts the other process anew.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::{Duration, Instant};

use a0_core::{Cursor, Mem, Select};
use a0_std::{File, Init, ReaderSync, Writer};

use super::peer::{LINE, PAYLOAD, Peer, Relax, Role, in_topic, shared_line};
use super::place::{Place, bare};
use crate::end::{End, Outcome};
use crate::stop::Stop;

/// How long each measurement takes.
const MEASURE_TIME: Duration = Duration::from_millis(400);
/// How long things are done unmeasured before that.
const WARM_UP: Duration = Duration::from_millis(50);
/// Done between two looks at the clock, which takes about 25 ns.
const BATCH: u32 = 32;
/// Looks between two looks whether it is time to give up.
const LOOKS_PER_CLOCK: u32 = 1 << 12;
/// How long the other process may take for anything.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the other process to fall asleep.
const SLEEPER_PAUSE: Duration = Duration::from_micros(200);

/// What the measurements have in common.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) place: &'a Place,
    pub(super) stop: &'a Stop,
}

/// What came of a stream of messages.
#[derive(Debug)]
pub(super) struct Stream {
    received: u64,
    missed: u64,
    took: Duration,
}

impl Stream {
    pub(super) fn rate(&self) -> String {
        let rate = self.received as f64 / self.took.as_secs_f64();
        if rate < 1e6 { format!("{:.0} k/s", rate / 1e3) } else { format!("{:.1} M/s", rate / 1e6) }
    }

    /// How much was overwritten before it was read, in percent.
    pub(super) fn missed_percent(&self) -> f64 {
        100.0 * self.missed as f64 / (self.missed + self.received).max(1) as f64
    }
}

impl Bench<'_> {
    fn relax(&self) -> Relax {
        Relax::new(self.place.cores().is_none())
    }

    fn check(&self) -> Outcome {
        self.stop.reason().map_or(Ok(()), |reason| Err(reason.into()))
    }

    /// Looks until there is something.
    #[inline]
    fn until<T>(&self, mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
        let relax = self.relax();
        let mut started = None;
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                if let Some(found) = look()? {
                    return Ok(found);
                }
                relax.relax();
            }
            self.check()?;
            if started.get_or_insert_with(Instant::now).elapsed() > PEER_TIMEOUT {
                return Err(End::failed("the other process of the demo does not answer"));
            }
        }
    }

    /// Nanoseconds that `once` takes: the median of the averages of batches.
    fn time(&self, batch: u32, mut once: impl FnMut() -> Outcome) -> Outcome<f64> {
        let warm = Instant::now();
        while warm.elapsed() < WARM_UP {
            once()?;
        }
        let mut averages = Vec::with_capacity(1 << 16);
        let started = Instant::now();
        while started.elapsed() < MEASURE_TIME {
            self.check()?;
            let before = Instant::now();
            for _ in 0..batch {
                once()?;
            }
            averages.push(before.elapsed().as_nanos() as f64 / f64::from(batch));
        }
        Ok(median(averages))
    }

    /// One word of shared memory, changed here, then there.
    pub(super) fn line(&self) -> Outcome<f64> {
        let mem = shared_line(self.place.dir())?;
        mem.store_u32(LINE, 0, Release);
        let _peer = Peer::start(self.place, Role::Line)?;
        let mut value: u32 = 0;
        self.time(BATCH, || {
            mem.store_u32(LINE, value.wrapping_add(1), Release);
            value = value.wrapping_add(2);
            self.until(|| Ok((mem.load_u32(LINE, Acquire) == value).then_some(())))
        })
    }

    pub(super) fn raw_round_trip(&self) -> Outcome<f64> {
        let (ping, pong) = (self.place.file("raw-ping")?, self.place.file("raw-pong")?);
        let error = in_topic(&pong);
        let (ping, pong) = (bare(&ping)?, bare(&pong)?);
        let _peer = Peer::start(self.place, Role::Raw)?;
        let mut cursor = Cursor::oldest(&pong).map_err(&error)?;
        let mut buffer = PAYLOAD;
        self.time(BATCH, || {
            ping.lock(None).and_then(|mut ping| ping.push(&PAYLOAD)).map_err(&error)?;
            self.until(|| pong.read(&mut cursor, Select::Next, &mut &mut buffer[..]).map_err(&error)).map(drop)
        })
    }

    pub(super) fn packet_round_trip(&self) -> Outcome<f64> {
        let ping = Writer::new(&self.place.file("packet-ping")?).with_standard_headers();
        let mut pong = ReaderSync::new(&self.place.file("packet-pong")?, Init::Oldest)?;
        let _peer = Peer::start(self.place, Role::Packet)?;
        self.time(BATCH, || {
            ping.write(PAYLOAD)?;
            self.until(|| Ok(pong.read()?.map(drop)))
        })
    }

    pub(super) fn blocking_round_trip(&self) -> Outcome<f64> {
        let ping = Writer::new(&self.place.file("blocking-ping")?).with_standard_headers();
        let mut pong = ReaderSync::new(&self.place.file("blocking-pong")?, Init::Oldest)?;
        self.stop.interrupts(pong.interrupter());
        let _peer = Peer::start(self.place, Role::Blocking)?;
        let mut times = vec![];
        let started = Instant::now();
        while started.elapsed() < WARM_UP + MEASURE_TIME {
            self.check()?;
            thread::sleep(SLEEPER_PAUSE);
            let before = Instant::now();
            ping.write(PAYLOAD)?;
            pong.read_blocking(PEER_TIMEOUT)?;
            if started.elapsed() > WARM_UP {
                times.push(before.elapsed().as_nanos() as f64);
            }
        }
        Ok(median(times))
    }

    pub(super) fn raw_publish(&self) -> Outcome<f64> {
        let file = self.place.file("raw-publish")?;
        let (topic, error) = (bare(&file)?, in_topic(&file));
        self.time(1000, || topic.lock(None).and_then(|mut topic| topic.push(&PAYLOAD)).map(drop).map_err(&error))
    }

    pub(super) fn packet_publish(&self) -> Outcome<f64> {
        let writer = Writer::new(&self.place.file("packet-publish")?).with_standard_headers();
        self.time(1000, || Ok(writer.write(PAYLOAD).map(drop)?))
    }

    pub(super) fn raw_stream(&self) -> Outcome<Stream> {
        let file = self.place.large("raw-stream")?;
        let (topic, error) = (bare(&file)?, in_topic(&file));
        let mut cursor = Cursor::oldest(&topic).map_err(&error)?;
        let mut buffer = PAYLOAD;
        let stream = self.stream(Role::RawStream, || {
            let received = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..]).map_err(&error)?;
            Ok(received.map(|received| received.missed))
        });
        // Gives back its memory.
        File::remove(file.path())?;
        stream
    }

    pub(super) fn packet_stream(&self) -> Outcome<Stream> {
        let file = self.place.large("packet-stream")?;
        let mut reader = ReaderSync::new(&file, Init::Oldest)?;
        let stream = self.stream(Role::PacketStream, || Ok(reader.read()?.map(|message| message.missed())));
        // Gives back its memory.
        File::remove(file.path())?;
        stream
    }

    fn stream(&self, role: Role, mut read: impl FnMut() -> Outcome<Option<u64>>) -> Outcome<Stream> {
        let _peer = Peer::start(self.place, role)?;
        let warm = Instant::now();
        while warm.elapsed() < WARM_UP {
            self.until(&mut read)?;
        }
        let mut stream = Stream { received: 0, missed: 0, took: Duration::ZERO };
        let started = Instant::now();
        while stream.took < MEASURE_TIME {
            for _ in 0..1000 {
                stream.missed += self.until(&mut read)?;
                stream.received += 1;
            }
            stream.took = started.elapsed();
        }
        Ok(stream)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
