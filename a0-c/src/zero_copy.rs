//! Looking at messages where they lie, with the topic locked.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Mutex;

use a0_std::{Interrupter, Message, SubscriberSyncZeroCopy, SubscriberZeroCopy};

use crate::args::{alone, for_any_thread, given, handle, text, timeout};
use crate::error::{Failure, Result, a0rs_error, guard, guard_or};
use crate::options::{self, a0rs_reader_options};
use crate::packet::Headers;
use crate::pubsub::{Reading, a0rs_message_callback};
use crate::user::{User, a0rs_free, callback};

/// Like a0rs_subscriber_sync, but shows messages where they lie, without copying them, with the topic locked. For one
/// thread at a time; A0RS_ERROR_BUSY for others.
///
/// While a callback looks, nobody can publish on the topic, and publishing on it from inside the callback fails with
/// A0RS_ERROR_LOCK; other readers are not held up. For large messages that are looked at briefly, on topics whose
/// publishers keep to the protocol: whoever can write to the file can change what is being looked at. Files that are
/// opened read-only cannot be locked.
pub struct a0rs_subscriber_sync_zero_copy {
    reading: Mutex<Reading<SubscriberSyncZeroCopy>>,
    interrupter: Interrupter,
}

/// Subscribes; creates the topic if it does not exist. `options` may be null: messages from now on, all of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_zero_copy_create(
    topic: *const c_char,
    options: Option<&a0rs_reader_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_subscriber_sync_zero_copy>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let subscriber = SubscriberSyncZeroCopy::new(topic, options::reader(options)?)?;
        let interrupter = subscriber.interrupter();
        let reading = Reading::new(subscriber);
        *out = Box::into_raw(Box::new(a0rs_subscriber_sync_zero_copy { reading, interrupter }));
        Ok(())
    })
}

/// Closes it. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_zero_copy_destroy(
    subscriber: Option<Box<a0rs_subscriber_sync_zero_copy>>,
) {
    guard_or((), || drop(subscriber));
}

/// Shows the next message to a callback, in this thread, before this returns; A0RS_AGAIN if there is none yet. The
/// callback cannot read from the subscriber (A0RS_ERROR_BUSY), and must not destroy it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_zero_copy_read(
    subscriber: Option<&a0rs_subscriber_sync_zero_copy>,
    look: a0rs_message_callback,
    user: *mut c_void,
) -> a0rs_error {
    guard(|| {
        let Reading { subscriber, headers } = &mut *alone(&given("subscriber", subscriber)?.reading)?;
        let look = shown(look, user, headers)?;
        subscriber.read(look)?.ok_or(Failure::Again)
    })
}

/// a0rs_subscriber_sync_zero_copy_read for the next message to come, which is waited for at most `timeout_ms`, while the
/// topic is not locked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_zero_copy_read_blocking(
    subscriber: Option<&a0rs_subscriber_sync_zero_copy>,
    timeout_ms: i64,
    look: a0rs_message_callback,
    user: *mut c_void,
) -> a0rs_error {
    guard(|| {
        let Reading { subscriber, headers } = &mut *alone(&given("subscriber", subscriber)?.reading)?;
        let look = shown(look, user, headers)?;
        Ok(subscriber.read_blocking(timeout(timeout_ms), look)?)
    })
}

/// What shows a message to a callback.
fn shown(look: a0rs_message_callback, user: *mut c_void, headers: &mut Headers) -> Result<impl FnOnce(Message<'_>)> {
    let look = callback(look)?;
    // SAFETY: a callback takes its user's pointer and a message.
    Ok(move |message: Message<'_>| unsafe { look(user, &headers.message(&message)) })
}

/// Ends a blocked read of another thread, and every later one: A0RS_ERROR_INTERRUPTED. For any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_zero_copy_interrupt(
    subscriber: Option<&a0rs_subscriber_sync_zero_copy>,
) -> a0rs_error {
    guard(|| {
        given("subscriber", subscriber)?.interrupter.interrupt();
        Ok(())
    })
}

/// Like a0rs_subscriber, but calls back with the topic locked, as a0rs_subscriber_sync_zero_copy does. For any number of
/// threads.
pub struct a0rs_subscriber_zero_copy {
    subscriber: SubscriberZeroCopy,
}

/// Subscribes; creates the topic if it does not exist. `options` and `free_user` may be null.
///
/// The callback runs on a thread of its own. It may destroy the subscriber.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_zero_copy_create(
    topic: *const c_char,
    options: Option<&a0rs_reader_options>,
    on_message: a0rs_message_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    out: Option<&mut MaybeUninit<*mut a0rs_subscriber_zero_copy>>,
) -> a0rs_error {
    let user = User::new(user, free_user);
    guard(|| {
        let out = handle("out", out)?;
        let call = callback(on_message)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let mut headers = Headers::default();
        let subscriber = SubscriberZeroCopy::new(topic, options::reader(options)?, move |message| {
            // SAFETY: a callback takes its user's pointer and a message.
            unsafe { call(user.pointer(), &headers.message(&message)) };
        })?;
        *out = Box::into_raw(Box::new(a0rs_subscriber_zero_copy { subscriber }));
        Ok(())
    })
}

/// Stops the thread and waits until the callback has returned for the last time; from inside the callback, it only
/// sees to it that this was the last call. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_zero_copy_destroy(subscriber: Option<Box<a0rs_subscriber_zero_copy>>) {
    guard_or((), || drop(subscriber));
}

/// Messages skipped so far because they were no valid packets, or damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_zero_copy_skipped(subscriber: Option<&a0rs_subscriber_zero_copy>) -> u64 {
    guard_or(0, || subscriber.map_or(0, |subscriber| subscriber.subscriber.skipped()))
}

const _: () = {
    for_any_thread::<a0rs_subscriber_sync_zero_copy>();
    for_any_thread::<a0rs_subscriber_zero_copy>();
};
