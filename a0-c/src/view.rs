//! Looking at messages where they lie, without the lock.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;

use a0_std::View;

use crate::args::{given, room, timeout};
use crate::error::{Failure, a0rs_error, argument, guard, guard_or};
use crate::packet::{Headers, a0rs_message};
use crate::pubsub::{Reading, a0rs_subscriber_sync};
use crate::user::callback;

/// A message in the topic itself, which is not locked: a publisher may need the room of its payload at any moment.
///
/// So there is no pointer to the payload, only copies of parts of it, and whatever is learnt of them counts only if the
/// read that gave the view gives A0RS_OK. Until then they can be anything: use them to compute, not to decide what
/// cannot be undone.
pub struct a0rs_view<'a> {
    head: a0rs_message,
    view: View<'a>,
}

/// Looks at a message in place. The view is valid until it returns, for this thread. It must neither throw nor longjmp.
pub type a0rs_view_callback = Option<unsafe extern "C" fn(user: *mut c_void, view: &a0rs_view<'_>)>;

/// Looks at the next message where it lies, without copying it and without the lock; A0RS_AGAIN if there is none yet.
/// For large messages of which little is needed, or of which something is computed.
///
/// Nothing that the callback has learnt of the payload counts unless this gives A0RS_OK. If a publisher has overwritten
/// the message meanwhile, it gives A0RS_ERROR_OVERWRITTEN; the next read goes on with what is left.
///
/// The callback runs in this thread, before this returns, and at most once. It may take its time, and publish. It cannot
/// read from the subscriber (A0RS_ERROR_BUSY), and must not destroy it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_read_in_place(
    subscriber: Option<&a0rs_subscriber_sync>,
    look: a0rs_view_callback,
    user: *mut c_void,
) -> a0rs_error {
    guard(|| {
        let Reading { subscriber, headers } = &mut *given("subscriber", subscriber)?.reading()?;
        let look = shown(look, user, headers)?;
        subscriber.read_in_place(look)?.ok_or(Failure::Again)
    })
}

/// a0rs_subscriber_sync_read_in_place for the next message to come, which is waited for at most `timeout_ms`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_read_in_place_blocking(
    subscriber: Option<&a0rs_subscriber_sync>,
    timeout_ms: i64,
    look: a0rs_view_callback,
    user: *mut c_void,
) -> a0rs_error {
    guard(|| {
        let Reading { subscriber, headers } = &mut *given("subscriber", subscriber)?.reading()?;
        let look = shown(look, user, headers)?;
        Ok(subscriber.read_in_place_blocking(timeout(timeout_ms), look)?)
    })
}

/// What shows a view to a callback.
fn shown(look: a0rs_view_callback, user: *mut c_void, headers: &mut Headers) -> Result<impl FnOnce(View<'_>), Failure> {
    let look = callback(look)?;
    Ok(move |view: View<'_>| {
        let head = headers.head(&view);
        // SAFETY: a callback takes its user's pointer and a view.
        unsafe { look(user, &a0rs_view { head, view }) }
    })
}

/// All but the payload, which is empty here: id, headers, sequence number. They are copies, and sound. Valid as long as
/// the view; null if given null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_view_head(view: Option<&a0rs_view<'_>>) -> *const a0rs_message {
    view.map_or(ptr::null(), |view| &view.head)
}

/// Bytes of payload; 0 if given null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_view_len(view: Option<&a0rs_view<'_>>) -> usize {
    view.map_or(0, |view| view.view.len())
}

/// Copies `len` bytes of the payload, from byte `at` on. A0RS_ERROR_ARGUMENT if there are not so many; then nothing was
/// copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_view_copy(
    view: Option<&a0rs_view<'_>>,
    at: usize,
    into: *mut c_void,
    len: usize,
) -> a0rs_error {
    guard(|| {
        let view = &given("view", view)?.view;
        // SAFETY: as every caller promises.
        let into = unsafe { room("into", into, len) }?;
        let too_few = || argument("len", &format!("the payload has {} bytes, not {len} from byte {at} on", view.len()));
        view.copy_to(at, into).ok_or_else(too_few)
    })
}

/// Whether all that was learnt until now is sound. If not, it never will be, and there is no use in going on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_view_is_intact(view: Option<&a0rs_view<'_>>) -> bool {
    guard_or(false, || view.is_some_and(|view| view.view.is_intact()))
}
