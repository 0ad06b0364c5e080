//! A topic in a static byte array, without the standard library, an allocator or an operating system's help.
//!
//! Two contexts share the array: think of a main loop and an interrupt handler. The handler publishes only if the lock is
//! free; reading needs no lock anywhere. Linked as `no_main` with a panic handler of its own, so it would not build if
//! `a0-core` needed more. The C library is linked for its start-up code and `memcpy` alone.
//!
//! `cargo run --manifest-path examples/no_std_static/Cargo.toml` exits with 0 if everything arrived.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use a0_core::packet::SliceSink;
use a0_core::{Access, Cursor, Encoder, Error, FlatPacket, Id, RawMem, Select, SpinLock, Transport};
use spin::relax::Spin;

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

fn exchange() -> Result<bool, Error> {
    let (main_loop, handler) = (topic(1)?, topic(2)?);
    let mut cursor = Cursor::end(&main_loop)?;
    let mut buffer = heapless::Vec::<u8, 256>::new();
    for round in 0..1000_u32 {
        // While the main loop holds the lock, the handler is refused instead of waiting for ever.
        let held = main_loop.lock(None)?;
        if publish(&handler, b"refused")? {
            return Ok(false);
        }
        drop(held);
        if !publish(&handler, &round.to_le_bytes())? {
            return Ok(false);
        }
        let Some(received) = main_loop.read(&mut cursor, Select::Next, &mut buffer)? else { return Ok(false) };
        let Ok(packet) = FlatPacket::parse(&buffer) else { return Ok(false) };
        let right = packet.payload() == round.to_le_bytes() && packet.header("unit") == Some("mV");
        if !right || received.seq != u64::from(round) + 1 || received.missed != 0 {
            return Ok(false);
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
