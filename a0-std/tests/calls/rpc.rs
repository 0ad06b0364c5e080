//! Requests and replies.

mod calls;
mod gone;
mod lost;
mod servers;

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use a0_std::{
    Error, File, FileOptions, Id, Init, PacketBuf, Protocol, ReaderSync, Request, RpcClient, RpcServer, keys,
};
use a0_testkit::private_root::topic;

/// Long enough for a busy machine; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn echo(topic: &str) -> RpcServer {
    RpcServer::new(topic, |request| request.reply(request.payload()).unwrap(), |_| {}).unwrap()
}

/// A server that hands its requests out.
fn collecting(topic: &str) -> (RpcServer, Receiver<Request>, Receiver<Id>) {
    let (requests, requested) = mpsc::channel();
    let (cancels, cancelled) = mpsc::channel();
    let server =
        RpcServer::new(topic, move |request| drop(requests.send(request)), move |id| cancels.send(id).unwrap_or(()));
    (server.unwrap(), requested, cancelled)
}

fn small(size: u64) -> FileOptions {
    FileOptions::default().size(size)
}

/// A callback that passes the result on, and a text with it.
fn telling(
    tell: &Sender<(usize, Result<PacketBuf, Error>)>,
    n: usize,
) -> impl FnOnce(Result<PacketBuf, Error>) + Send + use<> {
    let tell = tell.clone();
    move |result| drop(tell.send((n, result)))
}

/// A place for a thread to stop at, and what sees it there and lets it go on.
fn stop_here() -> (impl Fn() + Send + 'static, Stopped) {
    let (arrive, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let stop = move || {
        arrive.send(()).unwrap();
        // An error is what it waits for.
        released.recv().ok();
    };
    (stop, Stopped { arrived, release })
}

struct Stopped {
    arrived: Receiver<()>,
    release: Sender<()>,
}

impl Stopped {
    fn await_arrival(&self) {
        self.arrived.recv_timeout(PATIENCE).unwrap();
    }

    fn release(self) {
        drop(self.release);
    }
}

/// Everything in a topic's file: type, id of the call, payload.
fn written(topic: &str) -> Vec<(String, Option<String>, Vec<u8>)> {
    let file = File::open(Protocol::Rpc.path(topic).unwrap(), &FileOptions::default()).unwrap();
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let mut all = Vec::new();
    while let Some(message) = reader.read().unwrap() {
        let kind = message.header(keys::RPC_TYPE).unwrap().to_owned();
        all.push((kind, message.header(keys::REQ_ID).map(str::to_owned), message.payload().to_vec()));
    }
    all
}

#[test]
fn replies_and_cancels_arrive() {
    let topic = topic();
    let (_server, requested, cancelled) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    for n in 0..5 {
        client.send(n.to_string(), telling(&tell, n)).unwrap();
    }
    let ids: Vec<_> =
        (0..5).map(|n| client.send(format!("cancelled {n}"), |_| panic!("it was cancelled")).unwrap()).collect();
    for id in &ids {
        client.cancel(id).unwrap();
    }
    for request in requested.iter().take(10) {
        request.reply(request.payload()).unwrap();
    }
    for _ in 0..5 {
        let (n, reply) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reply.unwrap().payload(), n.to_string().as_bytes());
    }
    for id in ids {
        assert_eq!(cancelled.recv_timeout(PATIENCE), Ok(id));
    }
}

#[test]
fn packets_are_those_of_0_3() {
    let topic = topic();
    let (server, requested, _) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let id = client.send_with(&[("mine", "1")], "ask", None, |_| {}).unwrap();
    let request = requested.recv_timeout(PATIENCE).unwrap();
    request.reply_with(&[("yours", "2")], "answer").unwrap();
    client.cancel(&id).unwrap();

    let mut reader = ReaderSync::new(server.file(), Init::Oldest).unwrap();
    let standard = [keys::TRANSPORT_SEQ, keys::TIME_MONO, keys::WRITER_SEQ, keys::WRITER_ID, keys::TIME_WALL];
    let mut expect = |protocol: &[(&str, &str)], user: &[(&str, &str)], payload: &[u8]| {
        let message = reader.read().unwrap().unwrap();
        let headers: Vec<_> = message.headers().collect();
        let own: Vec<_> = headers[..5].iter().map(|(key, _)| *key).collect();
        assert_eq!(own, standard);
        assert_eq!(headers[5..], [protocol, user].concat());
        assert_eq!(message.payload(), payload);
        message.id().to_owned()
    };
    let r = id.as_str();
    let first = expect(&[("a0_rpc_type", "request")], &[("mine", "1")], b"ask");
    assert_eq!(first, r);
    let second = expect(&[("a0_rpc_type", "response"), ("a0_req_id", r), ("a0_dep", r)], &[("yours", "2")], b"answer");
    assert_ne!(second, r);
    let wire = [r.as_bytes(), b"\0"].concat();
    assert_eq!(wire.len(), 37);
    expect(&[("a0_rpc_type", "cancel"), ("a0_req_id", r), ("a0_dep", r)], &[], &wire);
}

#[test]
fn many_headers_are_written_in_order() {
    let topic = topic();
    let _server = RpcServer::new(
        &topic,
        |request| {
            let headers: Vec<_> = request.headers().skip(6).collect();
            request.reply_with(&headers, request.payload()).unwrap();
        },
        |_| {},
    );
    let client = RpcClient::new(&topic).unwrap();
    for count in [1, 12, 13, 14, 15, 16, 40] {
        let owned: Vec<_> = (0..count).map(|n| (format!("key{n}"), "v".repeat(n))).collect();
        let headers: Vec<_> = owned.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let reply = client.call_with(&headers, "x", PATIENCE).unwrap();
        assert_eq!(reply.headers().skip(8).collect::<Vec<_>>(), headers);
    }
}
