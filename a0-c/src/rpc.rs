//! Requests and replies.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use a0_std::{Id, PacketBuf, Request, RpcClient, RpcServer, ServerOptions, ServerStart};

use crate::args::{content, for_any_thread, given, handle, id, tell, text, timeout};
use crate::error::{Failure, Result, a0rs_error, argument, guard, guard_or};
use crate::options::{self, a0rs_file_options};
use crate::packet::{a0rs_header, a0rs_id, a0rs_owned_packet, a0rs_packet};
use crate::user::{User, a0rs_free, callback};

/// Which requests a server takes first.
#[derive(Clone, Copy)]
#[repr(C)]
pub enum a0rs_server_start {
    /// Those that come after it was made.
    A0RS_SERVER_AWAIT_NEW = 0,
    /// Those that are still in the topic with neither an answer nor a cancel, oldest first; then new ones.
    A0RS_SERVER_OLDEST_UNANSWERED = 1,
}

/// Options of a server. All 0 is a good start.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct a0rs_server_options {
    /// Which requests it takes first, an a0rs_server_start: A0RS_SERVER_AWAIT_NEW.
    pub start: u32,
    /// How it waits, an a0rs_wait: A0RS_WAIT_DEFAULT.
    pub wait: u32,
    /// Microseconds, for A0RS_WAIT_SPIN_THEN_SLEEP.
    pub spin_us: u32,
    /// How the file is opened.
    pub file: a0rs_file_options,
}

pub(crate) fn server(options: Option<&a0rs_server_options>) -> Result<ServerOptions> {
    let Some(options) = options else { return Ok(ServerOptions::default()) };
    let start = match options.start {
        start if start == a0rs_server_start::A0RS_SERVER_AWAIT_NEW as u32 => ServerStart::AwaitNew,
        start if start == a0rs_server_start::A0RS_SERVER_OLDEST_UNANSWERED as u32 => ServerStart::OldestUnanswered,
        _ => return Err(argument("options: start", "it is no a0rs_server_start")),
    };
    let wait = options::wait(options.wait, options.spin_us)?;
    Ok(ServerOptions::default().start(start).wait(wait).file(options::file(Some(&options.file))?))
}

/// Hears that a request or a connection was cancelled, answered or not.
pub type a0rs_cancel_callback = Option<unsafe extern "C" fn(user: *mut c_void, id: &a0rs_id)>;

/// Who hears of cancels.
pub(crate) fn on_cancel(call: a0rs_cancel_callback, user: &Arc<User>) -> impl FnMut(Id) + Send + use<> {
    let user = Arc::clone(user);
    move |id| {
        if let Some(call) = call {
            // SAFETY: a callback takes its user's pointer and an id.
            unsafe { call(user.pointer(), &(&id).into()) };
        }
    }
}

/// Takes a request, which is the callback's own from then on, to be destroyed by it or by whomever it hands it to.
pub type a0rs_request_callback = Option<unsafe extern "C" fn(user: *mut c_void, request: *mut a0rs_rpc_request)>;

/// Answers requests, on a thread of its own.
pub struct a0rs_rpc_server {
    _server: RpcServer,
}

/// Serves a topic; creates it if it does not exist. `options`, `on_cancelled` and `free_user` may be null.
///
/// If the server dies, clients that wait for a reply hear of it at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_server_create(
    topic: *const c_char,
    options: Option<&a0rs_server_options>,
    on_request: a0rs_request_callback,
    on_cancelled: a0rs_cancel_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    out: Option<&mut MaybeUninit<*mut a0rs_rpc_server>>,
) -> a0rs_error {
    let user = Arc::new(User::new(user, free_user));
    guard(|| {
        let out = handle("out", out)?;
        let call = callback(on_request)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let on_cancel = on_cancel(on_cancelled, &user);
        let on_request = move |request: Request| {
            let view = a0rs_owned_packet::new(PacketBuf::clone(&request));
            let request = Box::into_raw(Box::new(a0rs_rpc_request { request, view }));
            // SAFETY: a callback takes its user's pointer and a request of its own.
            unsafe { call(user.pointer(), request) };
        };
        let server = RpcServer::with_options(topic, server(options)?, on_request, on_cancel)?;
        *out = Box::into_raw(Box::new(a0rs_rpc_server { _server: server }));
        Ok(())
    })
}

/// Stops the thread and waits until the callbacks have returned for the last time; from inside one, it only sees to it
/// that this was the last call. Requests that were kept can still be answered. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_server_destroy(server: Option<Box<a0rs_rpc_server>>) {
    guard_or((), || drop(server));
}

/// A request to be answered, by any thread, at any time, also after the server was destroyed.
pub struct a0rs_rpc_request {
    request: Request,
    view: a0rs_owned_packet,
}

/// What was asked. Valid until the request is destroyed; null if given null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_request_packet(request: Option<&a0rs_rpc_request>) -> *const a0rs_packet {
    request.map_or(ptr::null(), |request| request.view.view())
}

/// Replies. The client takes the first reply to a request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_request_reply(
    request: Option<&a0rs_rpc_request>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
) -> a0rs_error {
    guard(|| {
        let request = &given("request", request)?.request;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        Ok(request.reply_with(&content.headers, content.payload)?)
    })
}

/// Says that there will be no reply, and why: A0RS_ERROR_REMOTE for the client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_request_fail(
    request: Option<&a0rs_rpc_request>,
    reason: *const c_char,
) -> a0rs_error {
    guard(|| {
        let request = &given("request", request)?.request;
        // SAFETY: as every caller promises.
        let reason = unsafe { text("reason", reason) }?;
        Ok(request.fail(reason)?)
    })
}

/// Whether somebody has cancelled the request by now. Also for a callback that keeps the server's thread busy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_request_is_cancelled(request: Option<&a0rs_rpc_request>) -> bool {
    guard_or(false, || request.is_some_and(|request| request.request.is_cancelled()))
}

/// Frees a request. One that was not answered never is; the client then waits for its timeout. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_request_destroy(request: Option<Box<a0rs_rpc_request>>) {
    guard_or((), || drop(request));
}

/// Sends requests. For any number of threads.
pub struct a0rs_rpc_client {
    client: RpcClient,
}

/// Opens a topic to send requests; creates it if it does not exist. `options` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_client_create(
    topic: *const c_char,
    options: Option<&a0rs_file_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_rpc_client>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let client = RpcClient::with_options(topic, &options::file(options)?)?;
        *out = Box::into_raw(Box::new(a0rs_rpc_client { client }));
        Ok(())
    })
}

/// Closes it. Callbacks that have not run yet will not run. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_client_destroy(client: Option<Box<a0rs_rpc_client>>) {
    guard_or((), || drop(client));
}

/// Sends a request and waits for the reply, which goes to `reply`, to be destroyed by the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_client_call(
    client: Option<&a0rs_rpc_client>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
    timeout_ms: i64,
    reply: Option<&mut MaybeUninit<*mut a0rs_owned_packet>>,
) -> a0rs_error {
    guard(|| {
        let reply = handle("reply", reply)?;
        let client = &given("client", client)?.client;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        let packet = client.call_with(&content.headers, content.payload, timeout(timeout_ms))?;
        *reply = Box::into_raw(Box::new(a0rs_owned_packet::new(packet)));
        Ok(())
    })
}

/// Takes a reply; or null, and what went wrong: a0rs_error_message() says more.
pub type a0rs_reply_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, error: a0rs_error, reply: *const a0rs_packet)>;

/// Sends a request and returns; the reply goes to the callback, once. `id`, which may be null, gets what cancels it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_client_send(
    client: Option<&a0rs_rpc_client>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
    timeout_ms: i64,
    on_reply: a0rs_reply_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    id: Option<&mut MaybeUninit<a0rs_id>>,
) -> a0rs_error {
    let user = User::new(user, free_user);
    guard(|| {
        let call = callback(on_reply)?;
        let client = &given("client", client)?.client;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        let on_reply = move |reply: a0_std::Result<PacketBuf>| match reply {
            Ok(packet) => {
                let packet = a0rs_owned_packet::new(packet);
                // SAFETY: a callback takes its user's pointer, a code and a packet.
                unsafe { call(user.pointer(), a0rs_error::A0RS_OK, packet.view()) };
            }
            // SAFETY: a callback takes its user's pointer, a code and null.
            Err(error) => unsafe { call(user.pointer(), Failure::from(error).leave(), ptr::null()) },
        };
        let sent = client.send_with(&content.headers, content.payload, timeout(timeout_ms), on_reply)?;
        tell(id, (&sent).into());
        Ok(())
    })
}

/// Cancels a request, whoever has sent it. The callback of a request that this client has sent will not run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_rpc_client_cancel(
    client: Option<&a0rs_rpc_client>,
    request: Option<&a0rs_id>,
) -> a0rs_error {
    guard(|| Ok(given("client", client)?.client.cancel(&id(request)?)?))
}

const _: () = {
    for_any_thread::<a0rs_rpc_server>();
    for_any_thread::<a0rs_rpc_request>();
    for_any_thread::<a0rs_rpc_client>();
};
