//! Publishers and subscribers.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard};

use a0_std::{Interrupter, Message, Publisher, Subscriber, SubscriberSync};

use crate::args::{alone, content, for_any_thread, given, handle, place, tell, text, timeout};
use crate::error::{Failure, Result, a0rs_error, guard, guard_or};
use crate::options::{self, a0rs_file_options, a0rs_reader_options};
use crate::packet::{Headers, a0rs_header, a0rs_message, a0rs_published};
use crate::user::{User, a0rs_free, callback};

/// Publishes messages on a topic. For any number of threads.
pub struct a0rs_publisher {
    /// Loans keep it alive.
    pub(crate) publisher: Arc<Publisher>,
}

/// Opens a topic to publish on it; creates it if it does not exist. `options` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_publisher_create(
    topic: *const c_char,
    options: Option<&a0rs_file_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_publisher>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let publisher = Arc::new(Publisher::with_options(topic, &options::file(options)?)?);
        *out = Box::into_raw(Box::new(a0rs_publisher { publisher }));
        Ok(())
    })
}

/// Closes it. Loans that it has given stay good. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_publisher_destroy(publisher: Option<Box<a0rs_publisher>>) {
    guard_or((), || drop(publisher));
}

/// Publishes a payload, which may be anything. `published` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_publish(
    publisher: Option<&a0rs_publisher>,
    payload: *const c_void,
    payload_len: usize,
    published: Option<&mut MaybeUninit<a0rs_published>>,
) -> a0rs_error {
    // SAFETY: as every caller promises; no headers are none.
    unsafe { a0rs_publish_with(publisher, std::ptr::null(), 0, payload, payload_len, published) }
}

/// Publishes a payload with headers. `published` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_publish_with(
    publisher: Option<&a0rs_publisher>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
    published: Option<&mut MaybeUninit<a0rs_published>>,
) -> a0rs_error {
    guard(|| {
        let publisher = &given("publisher", publisher)?.publisher;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        tell(published, publisher.publish_with(&content.headers, content.payload)?.into());
        Ok(())
    })
}

/// Reads a topic when asked to. For one thread at a time; A0RS_ERROR_BUSY for others.
pub struct a0rs_subscriber_sync {
    reading: Mutex<Reading<SubscriberSync>>,
    interrupter: Interrupter,
}

/// A subscriber, and room for the headers of what it reads.
pub(crate) struct Reading<S> {
    pub(crate) subscriber: S,
    pub(crate) headers: Headers,
}

impl<S> Reading<S> {
    pub(crate) fn new(subscriber: S) -> Mutex<Reading<S>> {
        Mutex::new(Reading { subscriber, headers: Headers::default() })
    }
}

impl a0rs_subscriber_sync {
    pub(crate) fn reading(&self) -> Result<MutexGuard<'_, Reading<SubscriberSync>>> {
        alone(&self.reading)
    }
}

/// Subscribes; creates the topic if it does not exist. `options` may be null: messages from now on, all of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_create(
    topic: *const c_char,
    options: Option<&a0rs_reader_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_subscriber_sync>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let subscriber = SubscriberSync::new(topic, options::reader(options)?)?;
        let interrupter = subscriber.interrupter();
        *out = Box::into_raw(Box::new(a0rs_subscriber_sync { reading: Reading::new(subscriber), interrupter }));
        Ok(())
    })
}

/// Closes it, and with it the message that it gave last. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_destroy(subscriber: Option<Box<a0rs_subscriber_sync>>) {
    guard_or((), || drop(subscriber));
}

/// Reads the next message; A0RS_AGAIN if there is none yet. Takes no lock of the topic. The message is valid until this
/// subscriber is asked again, or destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_read(
    subscriber: Option<&a0rs_subscriber_sync>,
    message: Option<&mut MaybeUninit<a0rs_message>>,
) -> a0rs_error {
    guard(|| {
        let Reading { subscriber, headers } = &mut *given("subscriber", subscriber)?.reading()?;
        let message = place("message", message)?;
        let read = subscriber.read()?.ok_or(Failure::Again)?;
        message.write(headers.message(&read));
        Ok(())
    })
}

/// Reads the next message; waits for it at most so many milliseconds, or, if that is negative, as long as it takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_read_blocking(
    subscriber: Option<&a0rs_subscriber_sync>,
    timeout_ms: i64,
    message: Option<&mut MaybeUninit<a0rs_message>>,
) -> a0rs_error {
    guard(|| {
        let Reading { subscriber, headers } = &mut *given("subscriber", subscriber)?.reading()?;
        let message = place("message", message)?;
        message.write(headers.message(&subscriber.read_blocking(timeout(timeout_ms))?));
        Ok(())
    })
}

/// Takes one message of several; or null, and what is wrong with it: a0rs_error_message() says more. It must neither
/// throw nor longjmp.
pub type a0rs_each_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, error: a0rs_error, message: *const a0rs_message)>;

/// Hands the messages that are there to a callback, 16 of them at most; A0RS_AGAIN if there is none yet. `count`, which
/// may be null, gets how many. Faster than reading one by one where messages come in quick succession.
///
/// The callback runs in this thread, before this returns. It gets A0RS_ERROR_BAD_MESSAGE for what is no packet. It
/// cannot read from the subscriber (A0RS_ERROR_BUSY), and must not destroy it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_read_batch(
    subscriber: Option<&a0rs_subscriber_sync>,
    each: a0rs_each_callback,
    user: *mut c_void,
    count: Option<&mut MaybeUninit<usize>>,
) -> a0rs_error {
    guard(|| {
        let mut none = MaybeUninit::uninit();
        let count = count.unwrap_or(&mut none).write(0);
        let Reading { subscriber, headers } = &mut *given("subscriber", subscriber)?.reading()?;
        *count = subscriber.read_batch(handing(each, user, headers)?)?;
        if *count == 0 { Err(Failure::Again) } else { Ok(()) }
    })
}

/// a0rs_subscriber_sync_read_batch for messages to come, which are waited for at most `timeout_ms`. For streams: a reader
/// that has taken all there is does not look for a microsecond, so that several messages come together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_read_batch_blocking(
    subscriber: Option<&a0rs_subscriber_sync>,
    timeout_ms: i64,
    each: a0rs_each_callback,
    user: *mut c_void,
    count: Option<&mut MaybeUninit<usize>>,
) -> a0rs_error {
    guard(|| {
        let mut none = MaybeUninit::uninit();
        let count = count.unwrap_or(&mut none).write(0);
        let Reading { subscriber, headers } = &mut *given("subscriber", subscriber)?.reading()?;
        *count = subscriber.read_batch_blocking(timeout(timeout_ms), handing(each, user, headers)?)?;
        Ok(())
    })
}

/// Hands each message of a batch to a callback.
fn handing<'h>(
    each: a0rs_each_callback,
    user: *mut c_void,
    headers: &'h mut Headers,
) -> Result<impl FnMut(a0_std::Result<Message<'_>>) + use<'h>> {
    let call = callback(each)?;
    Ok(move |message: a0_std::Result<Message<'_>>| match message {
        // SAFETY: a callback takes its user's pointer, a code and a message.
        Ok(message) => unsafe { call(user, a0rs_error::A0RS_OK, &headers.message(&message)) },
        // SAFETY: a callback takes its user's pointer, a code and null.
        Err(error) => unsafe { call(user, Failure::from(error).leave(), ptr::null()) },
    })
}

/// Ends a blocked read of another thread, and every later one: A0RS_ERROR_INTERRUPTED. For any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_sync_interrupt(subscriber: Option<&a0rs_subscriber_sync>) -> a0rs_error {
    guard(|| {
        given("subscriber", subscriber)?.interrupter.interrupt();
        Ok(())
    })
}

/// Takes a message, which is valid until it returns. It must neither throw nor longjmp.
pub type a0rs_message_callback = Option<unsafe extern "C" fn(user: *mut c_void, message: &a0rs_message)>;

/// Calls back for every message of a topic, on a thread of its own. For any number of threads.
pub struct a0rs_subscriber {
    subscriber: Subscriber,
}

/// Subscribes; creates the topic if it does not exist. `options` and `free_user` may be null.
///
/// The callback runs without any lock held: it may publish, take its time, and destroy the subscriber. If the topic is
/// removed, the subscriber goes on with the one that takes its place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_create(
    topic: *const c_char,
    options: Option<&a0rs_reader_options>,
    on_message: a0rs_message_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    out: Option<&mut MaybeUninit<*mut a0rs_subscriber>>,
) -> a0rs_error {
    let user = User::new(user, free_user);
    guard(|| {
        let out = handle("out", out)?;
        let call = callback(on_message)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let mut headers = Headers::default();
        let subscriber = Subscriber::new(topic, options::reader(options)?, move |message| {
            // SAFETY: a callback takes its user's pointer and a message.
            unsafe { call(user.pointer(), &headers.message(&message)) };
        })?;
        *out = Box::into_raw(Box::new(a0rs_subscriber { subscriber }));
        Ok(())
    })
}

/// Stops the thread and waits until the callback has returned for the last time; from inside the callback, it only
/// sees to it that this was the last call. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_destroy(subscriber: Option<Box<a0rs_subscriber>>) {
    guard_or((), || drop(subscriber));
}

/// Messages skipped so far because they were no valid packets, or damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_subscriber_skipped(subscriber: Option<&a0rs_subscriber>) -> u64 {
    guard_or(0, || subscriber.map_or(0, |subscriber| subscriber.subscriber.skipped()))
}

const _: () = {
    for_any_thread::<a0rs_publisher>();
    for_any_thread::<a0rs_subscriber_sync>();
    for_any_thread::<a0rs_subscriber>();
};
