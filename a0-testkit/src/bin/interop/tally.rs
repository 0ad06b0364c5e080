//! What a subscriber makes of self-checking messages.

use std::collections::BTreeMap;
use std::hint::spin_loop;
use std::time::{Duration, Instant};

use a0_core::Clock;
use a0_linux::SystemClock;
use a0_std::{Error, Message, keys};
use serde_json::{Value, json};

use super::Result;

/// What a subscriber has seen.
#[derive(Default)]
pub(crate) struct Tally {
    received: u64,
    missed: u64,
    /// Messages whose content is wrong.
    corrupt: u64,
    /// Messages out of order, or losses that `missed` does not explain.
    disorder: u64,
    /// Damage that the reader itself has noticed.
    damaged: u64,
    last_seq: u64,
    /// The longest time for which a message was there and nothing was received.
    stall_nanos: u64,
    /// The longest time from publishing to receiving.
    late_nanos: u64,
    last_time: u64,
    next_of_writer: BTreeMap<String, u64>,
    /// How long each message takes.
    delay: Duration,
}

impl Tally {
    pub(crate) fn new(delay: Duration) -> Tally {
        Tally { delay, ..Default::default() }
    }

    /// Whether this was the last message.
    pub(crate) fn take(&mut self, message: Result<Message<'_>, Error>) -> Result<bool> {
        let busy = Instant::now();
        while busy.elapsed() < self.delay {
            spin_loop();
        }
        let message = match message {
            Ok(message) => message,
            Err(Error::BadMessage { seq, missed, .. }) => {
                self.corrupt += 1;
                self.received += 1;
                self.missed += missed;
                self.last_seq = seq;
                return Ok(false);
            }
            Err(Error::Topic { cause: a0_core::Error::Corrupt(_), .. }) => {
                self.damaged += 1;
                return Ok(false);
            }
            Err(other) => return Err(other.into()),
        };
        let headers: Vec<_> = message.headers().collect();
        Ok(self.judge(message.seq(), message.missed(), &headers, message.payload()))
    }

    /// Counts a message that was found, and overwritten while it was looked at, as missed.
    pub(crate) fn lose(&mut self, seq: u64, missed: u64) {
        if seq != self.last_seq + missed + 1 {
            self.disorder += 1;
        }
        self.missed += missed + 1;
        self.last_seq = seq;
    }

    /// Counts a message; whether it was the last one.
    pub(crate) fn judge(&mut self, seq: u64, missed: u64, headers: &[(&str, &str)], payload: &[u8]) -> bool {
        self.received += 1;
        self.missed += missed;
        let header = |key| headers.iter().find(|header| header.0 == key).map_or("", |header| header.1);
        let number = |key| header(key).parse::<u64>().unwrap_or(u64::MAX);
        if seq != self.last_seq + missed + 1 || number(keys::TRANSPORT_SEQ) != seq - 1 {
            self.disorder += 1;
        }
        self.last_seq = seq;
        let now = SystemClock.mono().as_nanos();
        let published = number(keys::TIME_MONO);
        self.stall_nanos = self.stall_nanos.max(now.saturating_sub(published.max(self.last_time)));
        self.late_nanos = self.late_nanos.max(now.saturating_sub(published));
        self.last_time = now;
        if headers.contains(&("end", "")) {
            return true;
        }
        if number("crc") != u64::from(crc32(payload)) {
            self.corrupt += 1;
        }
        let next = self.next_of_writer.entry(header("w").to_owned()).or_default();
        // A restarted writer begins again.
        if number("n") < *next && number("n") != 0 {
            self.disorder += 1;
        }
        *next = number("n") + 1;
        false
    }

    pub(crate) fn report(&self) -> Value {
        json!({
            "received": self.received,
            "missed": self.missed,
            "corrupt": self.corrupt,
            "disorder": self.disorder,
            "damaged": self.damaged,
            "stall_ms": self.stall_nanos / 1_000_000,
            "late_ms": self.late_nanos / 1_000_000,
            "writers": self.next_of_writer.len(),
        })
    }
}

/// The checksum of zlib, gzip and PNG.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize])
}
