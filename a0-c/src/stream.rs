//! Connections whose answers the calling thread waits for itself.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::{self, MaybeUninit};
use std::sync::{Arc, Mutex};

use a0_std::{Progresses, PrpcClient};

use crate::args::{alone, content, for_any_thread, given, handle, place, timeout};
use crate::error::{a0rs_error, argument, guard, guard_or};
use crate::packet::{a0rs_header, a0rs_owned_packet};
use crate::prpc::a0rs_prpc_client;

/// The answers of a connection. For one thread at a time; A0RS_ERROR_BUSY for others. Keeps its client alive.
pub struct a0rs_prpc_stream {
    /// Before `_client`, so that it goes first.
    answers: Mutex<Progresses<'static>>,
    _client: Arc<PrpcClient>,
}

/// Opens a connection, whose answers are then asked for. Each is waited for at most `timeout_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_stream_create(
    client: Option<&a0rs_prpc_client>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
    timeout_ms: i64,
    out: Option<&mut MaybeUninit<*mut a0rs_prpc_stream>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        let client = Arc::clone(&given("client", client)?.client);
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        let answers = client.stream_with(&content.headers, content.payload, timeout(timeout_ms))?;
        // SAFETY: what it borrows is in the Arc beside it, which neither moves it nor lets go of it before.
        let answers = Mutex::new(unsafe { mem::transmute::<Progresses<'_>, Progresses<'static>>(answers) });
        *out = Box::into_raw(Box::new(a0rs_prpc_stream { answers, _client: client }));
        Ok(())
    })
}

/// Waits for the next answer, to be destroyed by the caller; `done` gets whether it is the last one. A failure is the
/// end, too. Behind the end there is only A0RS_ERROR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_stream_next(
    stream: Option<&a0rs_prpc_stream>,
    answer: Option<&mut MaybeUninit<*mut a0rs_owned_packet>>,
    done: Option<&mut MaybeUninit<bool>>,
) -> a0rs_error {
    guard(|| {
        let answer = handle("answer", answer)?;
        let done = place("done", done)?.write(true);
        let mut answers = alone(&given("stream", stream)?.answers)?;
        let progress = answers.next().ok_or_else(|| argument("stream", "it has ended"))??;
        *done = progress.done();
        *answer = Box::into_raw(Box::new(a0rs_owned_packet::new(progress.into_packet())));
        Ok(())
    })
}

/// Closes it; cancels the connection if the last answer has not come yet. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_stream_destroy(stream: Option<Box<a0rs_prpc_stream>>) {
    guard_or((), || drop(stream));
}

const _: () = for_any_thread::<a0rs_prpc_stream>();
