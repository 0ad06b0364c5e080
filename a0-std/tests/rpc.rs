//! Requests and replies.

mod common;

use std::collections::HashSet;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{
    Error, File, FileOptions, Id, Init, Packet, PacketBuf, Protocol, ReaderSync, Request, RpcClient, RpcServer,
    ServerOptions, ServerStart, Writer, keys, random_id,
};
use common::topic;

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

#[test]
fn a_call_waits_times_out_and_goes_on() {
    let topic = topic();
    let (_server, requested, cancelled) = collecting(&topic);
    let client = Arc::new(RpcClient::new(&topic).unwrap());
    let begun = Instant::now();
    let result = client.call("late", Duration::from_millis(30));
    assert!(matches!(result, Err(Error::Timeout { waited, .. }) if waited >= Duration::from_millis(30)), "{result:?}");
    assert!(begun.elapsed() >= Duration::from_millis(30));
    let late = requested.recv_timeout(PATIENCE).unwrap();
    // The server hears that nobody waits any more.
    assert_eq!(cancelled.recv_timeout(PATIENCE).as_ref(), Ok(late.id()));
    assert!(late.is_cancelled());
    late.reply("too late").unwrap();

    let calling = Arc::clone(&client);
    let caller = thread::spawn(move || calling.call("next", None));
    let next = requested.recv_timeout(PATIENCE).unwrap();
    assert!(!next.is_cancelled());
    next.reply("in time").unwrap();
    next.reply("once more").unwrap();
    assert_eq!(caller.join().unwrap().unwrap().payload(), b"in time");
}

#[test]
fn a_sent_request_times_out_and_leaves_nothing_behind() {
    let topic = topic();
    let (_server, requested, cancelled) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    // The second one is due first.
    client.send_with(&[], "slow", PATIENCE, telling(&tell, 0)).unwrap();
    let id = client.send_with(&[], "quick", Duration::from_millis(30), telling(&tell, 1)).unwrap();
    let (n, result) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(n, 1);
    assert!(matches!(result, Err(Error::Timeout { waited, .. }) if waited >= Duration::from_millis(30)), "{result:?}");
    assert_eq!(cancelled.recv_timeout(PATIENCE), Ok(id));
    for request in requested.iter().take(2) {
        request.reply("now").unwrap();
    }
    let (n, result) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!((n, result.unwrap().payload()), (0, &b"now"[..]));
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn anybody_can_cancel_a_call() {
    let topic = topic();
    let client = Arc::new(RpcClient::new(&topic).unwrap());
    let other = RpcClient::new(&topic).unwrap();
    let file = other.file().clone();
    for timeout in [None, Some(PATIENCE)] {
        let mut reader = ReaderSync::new(&file, ()).unwrap();
        let packet = Packet::new("cancel me");
        let id = *packet.id();
        let calling = Arc::clone(&client);
        let caller = thread::spawn(move || calling.call_packet(&packet, timeout));
        // Nobody serves.
        assert_eq!(reader.read_blocking(PATIENCE).unwrap().id(), id.as_str());
        other.cancel(&id).unwrap();
        let result = caller.join().unwrap();
        assert!(matches!(result, Err(Error::Cancelled { .. })), "{result:?}");
    }
    let (tell, told) = mpsc::channel();
    let id = client.send("cancel me", telling(&tell, 0)).unwrap();
    other.cancel(&id).unwrap();
    assert!(matches!(told.recv_timeout(PATIENCE).unwrap().1, Err(Error::Cancelled { .. })));
}

#[test]
fn replies_find_their_calls_in_any_order() {
    const CALLS: usize = 1000;
    let topic = topic();
    let (_server, requested, _) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    for n in 0..CALLS {
        client.send(n.to_string(), telling(&tell, n)).unwrap();
    }
    let requests: Vec<_> = requested.iter().take(CALLS).collect();
    // With all of them outstanding.
    let answered = thread::spawn({
        let topic = topic.clone();
        move || RpcClient::new(&topic).unwrap().call("another", PATIENCE)
    });
    let another = requested.recv_timeout(PATIENCE).unwrap();
    another.reply("at once").unwrap();
    assert_eq!(answered.join().unwrap().unwrap().payload(), b"at once");

    for request in requests.iter().rev() {
        request.reply(request.payload()).unwrap();
        request.reply("the second one does not count").unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..CALLS {
        let (n, reply) = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reply.unwrap().payload(), n.to_string().as_bytes());
        order.push(n);
    }
    assert!(order.into_iter().eq((0..CALLS).rev()));
}

#[test]
fn threads_share_a_client() {
    let topic = topic();
    let _server = echo(&topic);
    let client = RpcClient::new(&topic).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let client = &client;
            scope.spawn(move || {
                for n in 0..500 {
                    let text = format!("{worker} {n}");
                    assert_eq!(client.call(&text, PATIENCE).unwrap().payload(), text.as_bytes());
                }
            });
        }
    });
}

#[test]
fn callbacks_may_do_anything() {
    let topic = topic();
    let _server = echo(&topic);
    let client = Arc::new(Mutex::new(Some(RpcClient::new(&topic).unwrap())));
    let (tell, told) = mpsc::channel();
    let ours = Arc::clone(&client);
    let first = move |_| {
        let inner = Arc::clone(&ours);
        let call = |guard: &Option<RpcClient>| guard.as_ref().unwrap().call("blocking, from inside", PATIENCE);
        assert_eq!(call(&ours.lock().unwrap()).unwrap().payload(), b"blocking, from inside");
        let second = move |reply: Result<PacketBuf, Error>| {
            // Stops this very thread.
            drop(inner.lock().unwrap().take());
            tell.send(reply.unwrap().into_payload()).unwrap();
        };
        ours.lock().unwrap().as_ref().unwrap().send("second", second).unwrap();
        panic!("callbacks that panic harm nobody else");
    };
    client.lock().unwrap().as_ref().unwrap().send("first", first).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"second");
}

#[test]
fn a_client_rests_between_calls() {
    let topic = topic();
    let _server = echo(&topic);
    let client = RpcClient::with_options(&topic, &small(1 << 16)).unwrap();
    let (tell, told) = mpsc::channel();
    for n in 0..3 {
        client.send("x", telling(&tell, n)).unwrap();
        assert!(told.recv_timeout(PATIENCE).unwrap().1.is_ok());
        // Long enough for its thread to stop reading; then more passes than the arena holds, which is no loss.
        thread::sleep(Duration::from_millis(150));
        let noise = Writer::new(client.file());
        for _ in 0..client.file().size() / 10_000 + 2 {
            noise.write([0; 10_000]).unwrap();
        }
    }
}

#[test]
fn a_handler_that_panics_fails_its_request_only() {
    let topic = topic();
    let handler = |request: Request| match request.payload() {
        b"panic" => panic!("on request"),
        payload => request.reply(payload).unwrap(),
    };
    let _server = RpcServer::new(&topic, handler, |_| panic!("cancels, too")).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let result = client.call("panic", PATIENCE);
    assert!(matches!(&result, Err(Error::Remote { reason, .. }) if reason.contains("on request")), "{result:?}");
    client.cancel(&random_id()).unwrap();
    assert_eq!(client.call("fine", PATIENCE).unwrap().payload(), b"fine");
    // An empty response, to others.
    let response = &written(&topic)[1];
    assert_eq!((&*response.0, &*response.2), ("response", &b""[..]));
}

#[test]
fn a_reply_that_is_too_large_is_an_error_on_both_sides() {
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let options = ServerOptions { file: small(1 << 16), ..Default::default() };
    let handler = move |request: Request| tell.send(request.reply(vec![0; 1 << 17])).unwrap();
    let _server = RpcServer::with_options(&topic, options, handler, |_| {}).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let result = client.call("", PATIENCE);
    assert!(matches!(&result, Err(Error::Remote { reason, .. }) if reason.contains("131")), "{result:?}");
    let ours = told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(ours, Err(Error::Topic { source: a0_core::Error::FrameTooLarge { .. }, .. })), "{ours:?}");
    // And so is a request.
    let result = client.call(vec![0; 1 << 17], PATIENCE);
    assert!(matches!(result, Err(Error::Topic { source: a0_core::Error::FrameTooLarge { .. }, .. })), "{result:?}");
    let result = client.send(vec![0; 1 << 17], |_| panic!("it was not sent"));
    assert!(result.is_err());
}

#[test]
fn a_server_can_take_what_was_asked_before_it_came() {
    let topic = topic();
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    client.send("answered", telling(&tell, 0)).unwrap();
    let cancelled = client.send("cancelled", |_| {}).unwrap();
    client.send("open", telling(&tell, 1)).unwrap();
    client.cancel(&cancelled).unwrap();
    client.send("open, too", telling(&tell, 2)).unwrap();
    {
        let answered = random_id();
        let writer = Writer::new(client.file());
        writer.write_packet(&Packet::new("old").with_id(answered).with_header(keys::RPC_TYPE, "request")).unwrap();
        let headers = [(keys::RPC_TYPE, "response"), (keys::REQ_ID, answered.as_str())];
        writer.write_with(&headers, "long ago").unwrap();
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ours = Arc::clone(&seen);
    let handler = move |request: Request| {
        ours.lock().unwrap().push(String::from_utf8(request.payload().to_vec()).unwrap());
        request.reply("").unwrap();
    };
    let cancels = Arc::new(Mutex::new(Vec::new()));
    let told_of = Arc::clone(&cancels);
    let on_cancel = move |id: Id| told_of.lock().unwrap().push(id);
    let server = RpcServer::with_options(&topic, ServerStart::OldestUnanswered, handler.clone(), on_cancel).unwrap();
    let answered: HashSet<_> = (0..3).map(|_| told.recv_timeout(PATIENCE).unwrap().0).collect();
    assert_eq!(answered, HashSet::from([0, 1, 2]));
    client.call("new", PATIENCE).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["answered", "open", "open, too", "new"]);
    drop(server);
    // Its request was not handed out either.
    assert!(cancels.lock().unwrap().is_empty());

    // All of them have been answered now.
    let _server = RpcServer::with_options(&topic, ServerStart::OldestUnanswered, handler, |_| {}).unwrap();
    client.call("newer", PATIENCE).unwrap();
    assert_eq!(seen.lock().unwrap().len(), 5);
}

#[test]
fn requests_can_be_answered_after_the_server_is_gone() {
    let topic = topic();
    let (server, requested, _) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("take your time", PATIENCE));
        let request = requested.recv_timeout(PATIENCE).unwrap();
        server.close();
        // Longer than a client needs to notice that a server is gone.
        thread::sleep(Duration::from_millis(200));
        request.reply("done").unwrap();
        assert_eq!(caller.join().unwrap().unwrap().payload(), b"done");
    });
}

#[test]
fn a_request_that_the_server_misses_is_lost_and_said_to_be() {
    let topic = topic();
    let options = ServerOptions { file: small(1 << 16), ..Default::default() };
    let (entered, inside) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let handler = move |request: Request| {
        if request.payload() == b"first" {
            entered.send(()).unwrap();
            released.recv().ok();
        }
        request.reply(request.payload()).unwrap();
    };
    let _server = RpcServer::with_options(&topic, options, handler, |_| {}).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    client.send("first", telling(&tell, 1)).unwrap();
    inside.recv_timeout(PATIENCE).unwrap();
    client.send("lost", telling(&tell, 2)).unwrap();
    // The client keeps up; the server does not, because it sits in its handler.
    let noise = Writer::new(client.file());
    for _ in 0..20 {
        noise.write([0; 5000]).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    drop(release);
    let mut results: Vec<_> = (0..2).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    results.sort_by_key(|(n, _)| *n);
    assert_eq!(results[0].1.as_ref().unwrap().payload(), b"first");
    assert!(matches!(results[1].1, Err(Error::RequestLost { .. })), "{results:?}");
    assert_eq!(client.call("afterwards", PATIENCE).unwrap().payload(), b"afterwards");
}

#[test]
fn a_request_that_is_overwritten_unseen_is_lost_rather_than_late() {
    let topic = topic();
    let client = RpcClient::with_options(&topic, &small(1 << 16)).unwrap();
    let noise = Writer::new(client.file());
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("nobody listens", Duration::from_millis(300)));
        thread::sleep(Duration::from_millis(50));
        for _ in 0..20 {
            noise.write([0; 5000]).unwrap();
            thread::sleep(Duration::from_millis(2));
        }
        let result = caller.join().unwrap();
        // A busy machine can keep the caller from reading, too.
        assert!(matches!(result, Err(Error::RequestLost { .. } | Error::ReplyLost { .. })), "{result:?}");
    });
}

#[test]
fn a_client_that_is_overtaken_gives_up_what_may_have_been_answered() {
    let topic = topic();
    let (_server, requested, _) = collecting(&topic);
    let client = RpcClient::with_options(&topic, &small(1 << 16)).unwrap();
    let (tell, told) = mpsc::channel();
    let (entered, inside) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let busy = move |_| {
        entered.send(()).unwrap();
        released.recv().ok();
    };
    client.send("keeps the thread busy", busy).unwrap();
    client.send("unanswered", telling(&tell, 0)).unwrap();
    requested.recv_timeout(PATIENCE).unwrap().reply("").unwrap();
    inside.recv_timeout(PATIENCE).unwrap();
    let noise = Writer::new(client.file());
    for _ in 0..client.file().size() / 5000 + 2 {
        noise.write([0; 5000]).unwrap();
    }
    client.send("after the gap", telling(&tell, 1)).unwrap();
    drop(release);
    let (n, result) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(n, 0);
    assert!(matches!(result, Err(Error::ReplyLost { .. })), "{result:?}");
    drop(requested.recv_timeout(PATIENCE).unwrap());
    requested.recv_timeout(PATIENCE).unwrap().reply("fine").unwrap();
    let (n, result) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!((n, result.unwrap().payload()), (1, &b"fine"[..]));
}

#[test]
fn foreign_and_broken_packets_are_passed_over() {
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let handler = |request: Request| request.reply(request.payload()).unwrap();
    let _server = RpcServer::new(&topic, handler, move |id| tell.send(id).unwrap()).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let writer = Writer::new(client.file());
    let mut locked = client.file().transport().lock(None).unwrap();
    locked.push(b"no packet").unwrap();
    drop(locked);
    let id = random_id();
    let wire = id.to_wire();
    writer.write("no headers").unwrap();
    for kind in ["", "request!", "response", "cancel", "missed"] {
        writer.write_with(&[(keys::RPC_TYPE, kind)], "").unwrap();
        writer.write_with(&[(keys::RPC_TYPE, kind), (keys::REQ_ID, "short")], "").unwrap();
        writer.write_with(&[(keys::RPC_TYPE, kind), ("a0_rpc_missed", "9-x")], "").unwrap();
    }
    writer.write_with(&[(keys::RPC_TYPE, "cancel"), (keys::REQ_ID, id.as_str())], &wire[..36]).unwrap();
    writer.write_with(&[(keys::RPC_TYPE, "cancel"), (keys::REQ_ID, id.as_str())], [0xff; 37]).unwrap();
    writer.write_with(&[(keys::RPC_TYPE, "cancel")], [&wire[..], b"more"].concat()).unwrap();
    assert_eq!(client.call("alive", PATIENCE).unwrap().payload(), b"alive");
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [id]);
}

#[test]
fn a_handler_may_drop_its_server() {
    let topic = topic();
    let place: Arc<Mutex<Option<RpcServer>>> = Arc::default();
    let ours = Arc::clone(&place);
    let (tell, told) = mpsc::channel();
    let handler = move |request: Request| {
        drop(ours.lock().unwrap().take());
        request.reply("the last one").unwrap();
        tell.send(()).unwrap();
    };
    *place.lock().unwrap() = Some(RpcServer::new(&topic, handler, |_| {}).unwrap());
    let client = RpcClient::new(&topic).unwrap();
    assert_eq!(client.call("", PATIENCE).unwrap().payload(), b"the last one");
    told.recv_timeout(PATIENCE).unwrap();
    assert!(client.call("", Duration::from_millis(30)).is_err());
    // The channel of a server whose thread has ended is closed.
    assert!(told.recv_timeout(PATIENCE).is_err());
}
