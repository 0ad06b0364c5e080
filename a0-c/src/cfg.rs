//! Configuration.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use a0_std::{Cfg, CfgWatcher};

use crate::args::{bytes, content, for_any_thread, given, handle, place, tell, text, timeout};
use crate::error::{Failure, a0rs_error, guard, guard_or};
use crate::options::{self, a0rs_file_options};
use crate::packet::{Headers, a0rs_header, a0rs_owned_packet, a0rs_published};
use crate::pubsub::a0rs_message_callback;
use crate::user::{User, a0rs_free, callback};

/// A configuration: a topic whose newest message is what counts. For any number of threads.
pub struct a0rs_cfg {
    cfg: Cfg,
}

/// Opens a configuration; creates the topic if it does not exist. `options` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_create(
    topic: *const c_char,
    options: Option<&a0rs_file_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_cfg>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let cfg = Cfg::with_options(topic, &options::file(options)?)?;
        *out = Box::into_raw(Box::new(a0rs_cfg { cfg }));
        Ok(())
    })
}

/// Closes it. Its watchers go on. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_destroy(cfg: Option<Box<a0rs_cfg>>) {
    guard_or((), || drop(cfg));
}

/// What is configured, to be destroyed by the caller; A0RS_AGAIN if nothing was ever written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_read(
    cfg: Option<&a0rs_cfg>,
    out: Option<&mut MaybeUninit<*mut a0rs_owned_packet>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        let packet = given("cfg", cfg)?.cfg.read()?.ok_or(Failure::Again)?;
        *out = Box::into_raw(Box::new(a0rs_owned_packet::new(packet)));
        Ok(())
    })
}

/// What is configured, to be destroyed by the caller; waits for somebody to write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_read_blocking(
    cfg: Option<&a0rs_cfg>,
    timeout_ms: i64,
    out: Option<&mut MaybeUninit<*mut a0rs_owned_packet>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        let packet = given("cfg", cfg)?.cfg.read_blocking(timeout(timeout_ms))?;
        *out = Box::into_raw(Box::new(a0rs_owned_packet::new(packet)));
        Ok(())
    })
}

/// Replaces the configuration. `published` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_write(
    cfg: Option<&a0rs_cfg>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
    published: Option<&mut MaybeUninit<a0rs_published>>,
) -> a0rs_error {
    guard(|| {
        let cfg = &given("cfg", cfg)?.cfg;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        tell(published, cfg.write_with(&content.headers, content.payload)?.into());
        Ok(())
    })
}

/// Writes if nothing was written before; `written` gets whether it did. Of several programs that try, one succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_write_if_empty(
    cfg: Option<&a0rs_cfg>,
    payload: *const c_void,
    payload_len: usize,
    written: Option<&mut MaybeUninit<bool>>,
) -> a0rs_error {
    guard(|| {
        let written = place("written", written)?;
        let cfg = &given("cfg", cfg)?.cfg;
        // SAFETY: as every caller promises.
        let payload = unsafe { bytes("payload", payload, payload_len) }?;
        written.write(cfg.write_if_empty(payload)?);
        Ok(())
    })
}

/// Changes parts of a JSON configuration as the patch says (RFC 7396): members with a value are set, members that are
/// null are removed, all others stay. Patches made at the same time are all applied. If nothing was written before, the
/// patch is written as it is, even if it is no JSON. `published` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_merge_patch(
    cfg: Option<&a0rs_cfg>,
    patch: *const c_void,
    patch_len: usize,
    published: Option<&mut MaybeUninit<a0rs_published>>,
) -> a0rs_error {
    guard(|| {
        let cfg = &given("cfg", cfg)?.cfg;
        // SAFETY: as every caller promises.
        let patch = unsafe { bytes("patch", patch, patch_len) }?;
        tell(published, cfg.merge_patch(patch)?.into());
        Ok(())
    })
}

/// Calls back for each new configuration, on a thread of its own.
pub struct a0rs_cfg_watcher {
    _watcher: CfgWatcher,
}

/// Calls back with the configuration that there is, if any, and then with each new one. If they come faster than the
/// callback returns, those in between are passed over; the last one never is. `free_user` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_watcher_create(
    cfg: Option<&a0rs_cfg>,
    on_message: a0rs_message_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    out: Option<&mut MaybeUninit<*mut a0rs_cfg_watcher>>,
) -> a0rs_error {
    let user = User::new(user, free_user);
    guard(|| {
        let out = handle("out", out)?;
        let call = callback(on_message)?;
        let mut headers = Headers::default();
        let watcher = given("cfg", cfg)?.cfg.watch(move |message| {
            // SAFETY: a callback takes its user's pointer and a message.
            unsafe { call(user.pointer(), &headers.message(&message)) };
        })?;
        *out = Box::into_raw(Box::new(a0rs_cfg_watcher { _watcher: watcher }));
        Ok(())
    })
}

/// As a0rs_subscriber_destroy().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_cfg_watcher_destroy(watcher: Option<Box<a0rs_cfg_watcher>>) {
    guard_or((), || drop(watcher));
}

const _: () = {
    for_any_thread::<a0rs_cfg>();
    for_any_thread::<a0rs_cfg_watcher>();
};
