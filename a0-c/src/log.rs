//! Log messages.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use a0_std::{Level, LogListener, Logger};

use crate::args::{content, for_any_thread, given, handle, tell, text};
use crate::error::{Result, a0rs_error, argument, guard, guard_or};
use crate::options::{self, a0rs_file_options, a0rs_reader_options};
use crate::packet::{Headers, a0rs_header, a0rs_message, a0rs_published};
use crate::user::{User, a0rs_free, callback};

/// How serious a log message is.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum a0rs_level {
    /// The program, or more than that, cannot go on.
    A0RS_LEVEL_CRIT = 0,
    /// Something failed.
    A0RS_LEVEL_ERR = 1,
    /// Something may be wrong.
    A0RS_LEVEL_WARN = 2,
    /// Worth knowing.
    A0RS_LEVEL_INFO = 3,
    /// Helps to find faults.
    A0RS_LEVEL_DBG = 4,
    /// A level that somebody else has made up. A listener that asks for this one gets everything that has a level.
    A0RS_LEVEL_UNKNOWN = 5,
}

fn level(level: u32) -> Result<Level> {
    let known = Level::ALL.get(level as usize).copied();
    known.ok_or_else(|| argument("level", "it is no a0rs_level"))
}

/// Writes log messages. For any number of threads.
pub struct a0rs_logger {
    logger: Logger,
}

/// Opens a topic to log there; creates it if it does not exist. `options` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_logger_create(
    topic: *const c_char,
    options: Option<&a0rs_file_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_logger>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let logger = Logger::with_options(topic, &options::file(options)?)?;
        *out = Box::into_raw(Box::new(a0rs_logger { logger }));
        Ok(())
    })
}

/// Closes it. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_logger_destroy(logger: Option<Box<a0rs_logger>>) {
    guard_or((), || drop(logger));
}

/// Logs a message of this level, an a0rs_level. It is in the topic when this returns, and outlives the program.
/// `published` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_logger_log(
    logger: Option<&a0rs_logger>,
    message_level: u32,
    headers: *const a0rs_header,
    headers_len: usize,
    message: *const c_void,
    message_len: usize,
    published: Option<&mut MaybeUninit<a0rs_published>>,
) -> a0rs_error {
    guard(|| {
        let logger = &given("logger", logger)?.logger;
        let level = level(message_level)?;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, message, message_len) }?;
        tell(published, logger.log_with(level, &content.headers, content.payload)?.into());
        Ok(())
    })
}

/// Takes a log message and its level, an a0rs_level.
pub type a0rs_log_callback = Option<unsafe extern "C" fn(user: *mut c_void, level: u32, message: &a0rs_message)>;

/// Calls back for the log messages of a topic, on a thread of its own.
pub struct a0rs_log_listener {
    _listener: LogListener,
}

/// Listens for messages that are as serious as `least_level`, an a0rs_level, or more; creates the topic if it does not
/// exist. `options` and `free_user` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_log_listener_create(
    topic: *const c_char,
    least_level: u32,
    options: Option<&a0rs_reader_options>,
    on_message: a0rs_log_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    out: Option<&mut MaybeUninit<*mut a0rs_log_listener>>,
) -> a0rs_error {
    let user = User::new(user, free_user);
    guard(|| {
        let out = handle("out", out)?;
        let call = callback(on_message)?;
        let level = level(least_level)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let mut headers = Headers::default();
        let listener = LogListener::new(topic, level, options::reader(options)?, move |message| {
            // SAFETY: a callback takes its user's pointer, a level and a message.
            unsafe { call(user.pointer(), message.level() as u32, &headers.message(&message)) };
        })?;
        *out = Box::into_raw(Box::new(a0rs_log_listener { _listener: listener }));
        Ok(())
    })
}

/// As a0rs_subscriber_destroy().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_log_listener_destroy(listener: Option<Box<a0rs_log_listener>>) {
    guard_or((), || drop(listener));
}

const _: () = {
    for_any_thread::<a0rs_logger>();
    for_any_thread::<a0rs_log_listener>();
    // Numbers stand for levels by their place.
    assert!(Level::Crit as u32 == a0rs_level::A0RS_LEVEL_CRIT as u32);
    assert!(Level::Unknown as u32 == a0rs_level::A0RS_LEVEL_UNKNOWN as u32);
};
