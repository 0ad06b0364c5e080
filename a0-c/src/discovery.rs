//! Finding topics as they come and go.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;

use a0_std::{DiscoveredTopic, Discovery, DiscoveryEvent, Protocol};

use crate::args::{for_any_thread, handle, text};
use crate::error::{Result, a0rs_error, argument, guard, guard_or};
use crate::user::{User, a0rs_free, callback};

/// What a topic is used for. Numbers that can be added, to ask for several.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum a0rs_protocol {
    /// Publishers and subscribers.
    A0RS_PROTOCOL_PUBSUB = 1,
    /// Request and response.
    A0RS_PROTOCOL_RPC = 2,
    /// Request and a stream of responses.
    A0RS_PROTOCOL_PRPC = 4,
    /// Configuration.
    A0RS_PROTOCOL_CFG = 8,
    /// Log messages.
    A0RS_PROTOCOL_LOG = 16,
    /// Liveness.
    A0RS_PROTOCOL_DEADMAN = 32,
}

/// Every protocol.
pub const A0RS_PROTOCOL_ALL: u32 = 63;

const fn number(protocol: Protocol) -> u32 {
    use a0rs_protocol::*;
    let number = match protocol {
        Protocol::PubSub => A0RS_PROTOCOL_PUBSUB,
        Protocol::Rpc => A0RS_PROTOCOL_RPC,
        Protocol::Prpc => A0RS_PROTOCOL_PRPC,
        Protocol::Cfg => A0RS_PROTOCOL_CFG,
        Protocol::Log => A0RS_PROTOCOL_LOG,
        Protocol::Deadman => A0RS_PROTOCOL_DEADMAN,
        // Not known to this interface, so it is part of no sum and is never discovered.
        _ => return 0,
    };
    number as u32
}

fn protocols(protocols: u32) -> Result<Vec<Protocol>> {
    if protocols == 0 || protocols & !A0RS_PROTOCOL_ALL != 0 {
        return Err(argument("protocols", "it is no sum of a0rs_protocol"));
    }
    Ok(Protocol::ALL.iter().copied().filter(|protocol| number(*protocol) & protocols != 0).collect())
}

/// A topic that has come or gone.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_discovered {
    /// Whether it is there; otherwise it was, and no longer is.
    pub found: bool,
    /// What it is used for, an a0rs_protocol.
    pub protocol: u32,
    /// The topic's name.
    pub topic: *const c_char,
    /// The absolute path of its file.
    pub path: *const c_char,
}

/// Takes a topic that has come or gone; what it points to is valid until it returns.
pub type a0rs_discovery_callback = Option<unsafe extern "C" fn(user: *mut c_void, topic: &a0rs_discovered)>;

/// Calls back for every topic that is there, comes, or goes, on a thread of its own.
pub struct a0rs_discovery {
    _discovery: Discovery,
}

/// Discovers topics of these protocols, a sum of a0rs_protocol, whose names match a pattern: `cam/*` are those
/// directly below `cam`, `cam/**` those at any depth, `**` is every topic. `free_user` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_discovery_create(
    wanted: u32,
    pattern: *const c_char,
    on_event: a0rs_discovery_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    out: Option<&mut MaybeUninit<*mut a0rs_discovery>>,
) -> a0rs_error {
    let user = User::new(user, free_user);
    guard(|| {
        let out = handle("out", out)?;
        let call = callback(on_event)?;
        let protocols = protocols(wanted)?;
        // SAFETY: as every caller promises.
        let pattern = unsafe { text("pattern", pattern) }?;
        let discovery = Discovery::topics(protocols, pattern, move |event| {
            let (found, topic) = match event {
                DiscoveryEvent::Found(topic) => (true, topic),
                DiscoveryEvent::Removed(topic) => (false, topic),
            };
            let DiscoveredTopic { protocol, name, path, .. } = topic;
            // Names of files have no NUL.
            let (name, path) = (c_string(name.into_bytes()), c_string(path.into_os_string().into_vec()));
            let topic =
                a0rs_discovered { found, protocol: number(protocol), topic: name.as_ptr(), path: path.as_ptr() };
            // SAFETY: a callback takes its user's pointer and a topic.
            unsafe { call(user.pointer(), &topic) };
        })?;
        *out = Box::into_raw(Box::new(a0rs_discovery { _discovery: discovery }));
        Ok(())
    })
}

/// As a0rs_subscriber_destroy().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_discovery_destroy(discovery: Option<Box<a0rs_discovery>>) {
    guard_or((), || drop(discovery));
}

fn c_string(bytes: Vec<u8>) -> CString {
    CString::new(bytes).unwrap_or_default()
}

const _: () = for_any_thread::<a0rs_discovery>();
