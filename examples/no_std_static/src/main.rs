//! A topic in a static byte array, without the standard library, an allocator or an operating system's help.
//!
//! Two contexts share the array: a main loop that reads, and an interrupt handler that publishes if the lock is free, and
//! keeps what it has for the next time if it is not. Here the main loop plays the hardware. Reading needs no lock anywhere.
//! Linked as `no_main` with a panic handler of its own, so it would not build if `a0-core` needed more. The C library is linked for its start-up code and `memcpy` alone.
//!
//! `cargo run --manifest-path examples/no_std_static/Cargo.toml` exits with 0 if everything arrived.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use a0_core::packet::SliceSink;
use a0_core::{Access, Cursor, Encoder, Error, FlatPacket, Id, RawMem, Select, SpinLock, Transport};
use heapless::Deque;
use spin::relax::Spin;

// ANCHOR: topic
const ARENA: usize = 4096;

#[repr(align(8))]
struct Arena(UnsafeCell<[u8; ARENA]>);

// SAFETY: only ever accessed through `RawMem`, which tolerates concurrent users.
unsafe impl Sync for Arena {}

static ARENA_BYTES: Arena = Arena(UnsafeCell::new([0; ARENA]));

type Topic = Transport<RawMem<()>, SpinLock<Spin>>;

/// The topic as the context with this number sees it.
fn topic(context: u32) -> Result<Topic, Error> {
    let start = NonNull::new(ARENA_BYTES.0.get().cast()).ok_or(Error::Unaligned)?;
    // SAFETY: the array is static and used by nobody but through this function.
    let mem = unsafe { RawMem::new((), start, ARENA, Access::ReadWrite) }?;
    Transport::open(mem, SpinLock::new(context, 1000))
}
// ANCHOR_END: topic

// ANCHOR: publish
/// Whether it was published: somebody else may have the lock.
fn publish(topic: &Topic, payload: &[u8]) -> Result<bool, Error> {
    let id = Id::from_random_bytes([7; 16]);
    let headers = [("unit", "mV")];
    let blocks = [&headers[..]];
    let Ok(encoder) = Encoder::new(&id, &blocks, payload) else { return Ok(false) };
    let mut packet = [0; 256];
    let mut sink = SliceSink::new(&mut packet);
    encoder.write_to(&mut sink);
    let Ok(len) = sink.finish() else { return Ok(false) };
    let Some(mut locked) = topic.try_lock()? else { return Ok(false) };
    locked.push(&packet[..len])?;
    Ok(true)
}
// ANCHOR_END: publish

// ANCHOR: handler
/// What an interrupt handler needs: the topic under a number of its own, and room for what it cannot publish at once.
struct Handler {
    topic: Topic,
    waiting: Deque<u32, 8>,
}

impl Handler {
    /// Called by the hardware, perhaps while the main loop holds the lock. It then stays held until this returns, so this
    /// tries and never waits.
    fn interrupt(&mut self, reading: u32) -> Result<(), Error> {
        if self.waiting.is_full() {
            self.waiting.pop_front();
        }
        let _ = self.waiting.push_back(reading);
        while let Some(oldest) = self.waiting.front() {
            if !publish(&self.topic, &oldest.to_le_bytes())? {
                break;
            }
            self.waiting.pop_front();
        }
        Ok(())
    }
}
// ANCHOR_END: handler

fn exchange() -> Result<bool, Error> {
    let main_loop = topic(1)?;
    let mut handler = Handler { topic: topic(2)?, waiting: Deque::new() };
    let mut cursor = Cursor::end(&main_loop)?;
    let mut buffer = heapless::Vec::<u8, 256>::new();
    for round in 0..500_u32 {
        let held = main_loop.lock(None)?;
        handler.interrupt(2 * round)?;
        drop(held);
        if main_loop.has_news(&cursor)? {
            return Ok(false);
        }
        // Nobody holds the lock now: this one brings the other one along.
        handler.interrupt(2 * round + 1)?;
        for reading in [2 * round, 2 * round + 1] {
            let Some(received) = main_loop.read(&mut cursor, Select::Next, &mut buffer)? else { return Ok(false) };
            let Ok(packet) = FlatPacket::parse(&buffer) else { return Ok(false) };
            let right = packet.payload() == reading.to_le_bytes() && packet.header("unit") == Some("mV");
            if !right || received.seq != u64::from(reading) + 1 || received.missed != 0 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    i32::from(exchange() != Ok(true))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// The precompiled `core` refers to it for unwinding, which this program never does.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[link(name = "c")]
unsafe extern "C" {}
