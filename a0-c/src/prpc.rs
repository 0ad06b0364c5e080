//! Connections: requests with any number of answers.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use a0_std::{Connection, PacketBuf, Progress, PrpcClient, PrpcServer};

use crate::args::{content, for_any_thread, given, handle, id, tell, text, timeout};
use crate::error::{Failure, a0rs_error, guard, guard_or};
use crate::options::{self, a0rs_file_options};
use crate::packet::{a0rs_header, a0rs_id, a0rs_owned_packet, a0rs_packet};
use crate::rpc::{a0rs_cancel_callback, a0rs_server_options, on_cancel, server};
use crate::user::{User, a0rs_free, callback};

/// Takes a connection, which is the callback's own from then on, to be destroyed by it or by whomever it hands it to.
pub type a0rs_connect_callback = Option<unsafe extern "C" fn(user: *mut c_void, connection: *mut a0rs_prpc_connection)>;

/// Answers connections, on a thread of its own.
pub struct a0rs_prpc_server {
    _server: PrpcServer,
}

/// Serves a topic; creates it if it does not exist. `options`, `on_cancelled` and `free_user` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_server_create(
    topic: *const c_char,
    options: Option<&a0rs_server_options>,
    on_connect: a0rs_connect_callback,
    on_cancelled: a0rs_cancel_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    out: Option<&mut MaybeUninit<*mut a0rs_prpc_server>>,
) -> a0rs_error {
    let user = Arc::new(User::new(user, free_user));
    guard(|| {
        let out = handle("out", out)?;
        let call = callback(on_connect)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let on_cancel = on_cancel(on_cancelled, &user);
        let on_connect = move |connection: Connection| {
            let view = a0rs_owned_packet::new(PacketBuf::clone(&connection));
            let connection = Box::into_raw(Box::new(a0rs_prpc_connection { connection, view }));
            // SAFETY: a callback takes its user's pointer and a connection of its own.
            unsafe { call(user.pointer(), connection) };
        };
        let server = PrpcServer::with_options(topic, server(options)?, on_connect, on_cancel)?;
        *out = Box::into_raw(Box::new(a0rs_prpc_server { _server: server }));
        Ok(())
    })
}

/// As a0rs_rpc_server_destroy().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_server_destroy(server: Option<Box<a0rs_prpc_server>>) {
    guard_or((), || drop(server));
}

/// A connection to be answered, by any thread, at any time, also after the server was destroyed.
pub struct a0rs_prpc_connection {
    connection: Connection,
    view: a0rs_owned_packet,
}

/// What opened it. Valid until the connection is destroyed; null if given null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_connection_packet(connection: Option<&a0rs_prpc_connection>) -> *const a0rs_packet {
    connection.map_or(ptr::null(), |connection| connection.view.view())
}

/// Sends something; `done` if it is the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_connection_send(
    connection: Option<&a0rs_prpc_connection>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
    done: bool,
) -> a0rs_error {
    guard(|| {
        let connection = &given("connection", connection)?.connection;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        Ok(connection.send_with(&content.headers, content.payload, done)?)
    })
}

/// Says that nothing more will come, and why: A0RS_ERROR_REMOTE for the client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_connection_fail(
    connection: Option<&a0rs_prpc_connection>,
    reason: *const c_char,
) -> a0rs_error {
    guard(|| {
        let connection = &given("connection", connection)?.connection;
        // SAFETY: as every caller promises.
        let reason = unsafe { text("reason", reason) }?;
        Ok(connection.fail(reason)?)
    })
}

/// Whether somebody has cancelled the connection by now: then stop sending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_connection_is_cancelled(connection: Option<&a0rs_prpc_connection>) -> bool {
    guard_or(false, || connection.is_some_and(|connection| connection.connection.is_cancelled()))
}

/// Frees a connection. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_connection_destroy(connection: Option<Box<a0rs_prpc_connection>>) {
    guard_or((), || drop(connection));
}

/// Opens connections. For any number of threads.
pub struct a0rs_prpc_client {
    /// Streams keep it alive.
    pub(crate) client: Arc<PrpcClient>,
}

/// Opens a topic to open connections; creates it if it does not exist. `options` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_client_create(
    topic: *const c_char,
    options: Option<&a0rs_file_options>,
    out: Option<&mut MaybeUninit<*mut a0rs_prpc_client>>,
) -> a0rs_error {
    guard(|| {
        let out = handle("out", out)?;
        // SAFETY: as every caller promises.
        let topic = unsafe { text("topic", topic) }?;
        let client = Arc::new(PrpcClient::with_options(topic, &options::file(options)?)?);
        *out = Box::into_raw(Box::new(a0rs_prpc_client { client }));
        Ok(())
    })
}

/// Closes it. Its callbacks will not run any more. Null is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_client_destroy(client: Option<Box<a0rs_prpc_client>>) {
    guard_or((), || drop(client));
}

/// Takes an answer, and whether it is the last one; or null, and what went wrong, and then it is the last call, too.
pub type a0rs_progress_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, error: a0rs_error, answer: *const a0rs_packet, done: bool)>;

/// Opens a connection and returns; its answers go to the callback. Each is waited for at most `timeout_ms`. `id`,
/// which may be null, gets what cancels it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_client_connect(
    client: Option<&a0rs_prpc_client>,
    headers: *const a0rs_header,
    headers_len: usize,
    payload: *const c_void,
    payload_len: usize,
    timeout_ms: i64,
    on_progress: a0rs_progress_callback,
    user: *mut c_void,
    free_user: a0rs_free,
    id: Option<&mut MaybeUninit<a0rs_id>>,
) -> a0rs_error {
    let user = User::new(user, free_user);
    guard(|| {
        let call = callback(on_progress)?;
        let client = &given("client", client)?.client;
        // SAFETY: as every caller promises.
        let content = unsafe { content(headers, headers_len, payload, payload_len) }?;
        let on_progress = move |progress: a0_std::Result<Progress>| match progress {
            Ok(progress) => {
                let done = progress.done();
                let packet = a0rs_owned_packet::new(progress.into_packet());
                // SAFETY: a callback takes its user's pointer, a code, a packet, and a truth.
                unsafe { call(user.pointer(), a0rs_error::A0RS_OK, packet.view(), done) };
            }
            // SAFETY: a callback takes its user's pointer, a code, null, and a truth.
            Err(error) => unsafe { call(user.pointer(), Failure::from(error).leave(), ptr::null(), true) },
        };
        let timeout = timeout(timeout_ms);
        let opened = client.connect_with(&content.headers, content.payload, timeout, on_progress)?;
        tell(id, (&opened).into());
        Ok(())
    })
}

/// Cancels a connection, whoever has opened it. Its callback will not run any more, if this client has opened it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_prpc_client_cancel(
    client: Option<&a0rs_prpc_client>,
    connection: Option<&a0rs_id>,
) -> a0rs_error {
    guard(|| Ok(given("client", client)?.client.cancel(&id(connection)?)?))
}

const _: () = {
    for_any_thread::<a0rs_prpc_server>();
    for_any_thread::<a0rs_prpc_connection>();
    for_any_thread::<a0rs_prpc_client>();
};
