//! Requests with many replies.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use a0_std::{
    Connection, Error, FileOptions, Init, Progress, PrpcClient, PrpcServer, ReaderSync, ServerOptions, ServerStart,
    Writer, keys, random_id,
};
use a0_testkit::private_root::topic;
use a0_testkit::until;

/// Long enough for a busy machine; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with as many numbers as it is asked for.
fn counting(topic: &str) -> PrpcServer {
    let handler = |connection: Connection| {
        let count: u32 = str::from_utf8(connection.payload()).unwrap().parse().unwrap();
        for n in 1..=count {
            connection.send(n.to_string(), n == count).unwrap();
        }
    };
    PrpcServer::new(topic, handler, |_| {}).unwrap()
}

/// A server that streams until it notices that it is not to, inside its handler; says how many it has sent.
fn endless(topic: &str) -> (PrpcServer, mpsc::Receiver<u64>) {
    let (tell, told) = mpsc::channel();
    let handler = move |connection: Connection| {
        let mut sent = 0;
        while !connection.is_cancelled() {
            connection.send("more", false).unwrap();
            sent += 1;
            thread::sleep(Duration::from_micros(200));
        }
        tell.send(sent).unwrap();
    };
    (PrpcServer::new(topic, handler, |_| {}).unwrap(), told)
}

#[test]
fn four_steps_and_an_end_are_five_calls() {
    let topic = topic();
    let _server = counting(&topic);
    let client = PrpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    let id = client.connect("5", move |progress| tell.send(progress.unwrap()).unwrap()).unwrap();
    let all: Vec<Progress> = told.iter().collect();
    let payloads: Vec<_> = all.iter().map(|progress| progress.payload()).collect();
    assert_eq!(payloads, [b"1", b"2", b"3", b"4", b"5"]);
    let done: Vec<_> = all.iter().map(Progress::done).collect();
    assert_eq!(done, [false, false, false, false, true]);
    assert!(all.iter().all(|progress| progress.header(keys::CONN_ID) == Some(id.as_str())));

    let streamed: Vec<_> =
        client.stream("3", PATIENCE).unwrap().map(|progress| progress.unwrap().into_packet()).collect();
    assert_eq!(streamed.iter().map(|packet| packet.payload()).collect::<Vec<_>>(), [b"1", b"2", b"3"]);
}

#[test]
fn packets_are_those_of_0_3() {
    let topic = topic();
    let handler = |connection: Connection| {
        connection.send_with(&[("yours", "2")], "half", false).unwrap();
        connection.send("whole", true).unwrap();
    };
    let server = PrpcServer::new(&topic, handler, |_| {}).unwrap();
    let client = PrpcClient::new(&topic).unwrap();
    let mut stream = client.stream_with(&[("mine", "1")], "ask", PATIENCE).unwrap();
    let id = *stream.id();
    assert_eq!(stream.by_ref().count(), 2);
    client.cancel(&id).unwrap();

    let mut reader = ReaderSync::new(server.file(), Init::Oldest).unwrap();
    let c = id.as_str();
    let wire = [c.as_bytes(), b"\0"].concat();
    let about = |kind| [("a0_prpc_type", kind), ("a0_conn_id", c), ("a0_dep", c)];
    let mut expect = |headers: &[(&str, &str)], payload: &[u8]| {
        let message = reader.read().unwrap().unwrap();
        assert_eq!(message.headers().skip(5).collect::<Vec<_>>(), headers);
        assert_eq!(message.payload(), payload);
    };
    expect(&[("a0_prpc_type", "connect"), ("mine", "1")], b"ask");
    expect(&[&about("progress")[..], &[("yours", "2")]].concat(), b"half");
    expect(&about("complete"), b"whole");
    expect(&about("cancel"), &wire);
}

#[test]
fn a_cancel_reaches_a_handler_that_never_returns() {
    let topic = topic();
    let (_server, told) = endless(&topic);
    let client = PrpcClient::new(&topic).unwrap();
    let (tell, came) = mpsc::channel();
    let id = client.connect("", move |progress| drop(tell.send(progress))).unwrap();
    for _ in 0..10 {
        assert!(!came.recv_timeout(PATIENCE).unwrap().unwrap().done());
    }
    client.cancel(&id).unwrap();
    assert!(told.recv_timeout(PATIENCE).unwrap() >= 10);
    // The callback is gone, and with it the sender.
    assert!(came.iter().all(|progress| progress.is_ok()));
}

#[test]
fn a_stream_that_is_dropped_is_cancelled() {
    let topic = topic();
    let (_server, told) = endless(&topic);
    let client = PrpcClient::new(&topic).unwrap();
    assert_eq!(client.stream("", PATIENCE).unwrap().take(5).filter(Result::is_ok).count(), 5);
    assert!(told.recv_timeout(PATIENCE).unwrap() >= 5);
}

#[test]
fn a_stranger_s_cancel_is_an_error_and_no_progress() {
    let topic = topic();
    let (_server, told) = endless(&topic);
    let (client, other) = (PrpcClient::new(&topic).unwrap(), PrpcClient::new(&topic).unwrap());
    let mut stream = client.stream("", PATIENCE).unwrap();
    assert!(stream.next().unwrap().is_ok());
    other.cancel(stream.id()).unwrap();
    let end = stream.by_ref().find(Result::is_err).unwrap();
    assert!(matches!(end, Err(Error::Cancelled { .. })), "{end:?}");
    assert!(stream.next().is_none());
    told.recv_timeout(PATIENCE).unwrap();

    let (tell, came) = mpsc::channel();
    let id = client.connect("", move |progress| drop(tell.send(progress))).unwrap();
    assert!(came.recv_timeout(PATIENCE).unwrap().is_ok());
    other.cancel(&id).unwrap();
    let end = came.iter().find(Result::is_err).unwrap();
    assert!(matches!(end, Err(Error::Cancelled { .. })), "{end:?}");
    told.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn each_item_has_its_time() {
    let topic = topic();
    let connections = Arc::new(Mutex::new(Vec::new()));
    let ours = Arc::clone(&connections);
    let handler = move |connection: Connection| {
        connection.send("first", false).unwrap();
        ours.lock().unwrap().push(connection);
    };
    let _server = PrpcServer::new(&topic, handler, |_| {}).unwrap();
    let client = PrpcClient::new(&topic).unwrap();
    let mut stream = client.stream("", Duration::from_secs(2)).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().payload(), b"first");
    let late = stream.next().unwrap();
    assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
    assert!(stream.next().is_none());
    assert!(connections.lock().unwrap()[0].is_cancelled());

    let (tell, told) = std::sync::mpsc::channel();
    let patience = Duration::from_secs(2);
    client.connect_with(&[], "", patience, move |result| drop(tell.send(result))).unwrap();
    assert_eq!(told.recv().unwrap().unwrap().payload(), b"first");
    let late = told.recv().unwrap();
    assert!(matches!(late, Err(Error::Timeout { waited, .. }) if waited >= patience), "{late:?}");
    assert!(told.recv().is_err());
    // The cancel comes behind the callbacks.
    until(|| connections.lock().unwrap()[1].is_cancelled());
}

#[test]
fn connections_can_be_served_by_other_threads_at_once() {
    let topic = topic();
    let handler = |connection: Connection| {
        thread::spawn(move || {
            for n in 0..50 {
                connection.send([connection.payload(), n.to_string().as_bytes()].concat(), n == 49).unwrap();
            }
        });
    };
    let _server = PrpcServer::new(&topic, handler, |_| {}).unwrap();
    let client = PrpcClient::new(&topic).unwrap();
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let client = &client;
            scope.spawn(move || {
                for (n, progress) in client.stream(name, PATIENCE).unwrap().enumerate() {
                    assert_eq!(progress.unwrap().payload(), format!("{name}{n}").as_bytes());
                }
            });
        }
    });
}

#[test]
fn a_handler_that_fails_ends_its_connection_only() {
    let topic = topic();
    let handler = |connection: Connection| match connection.payload() {
        b"panic" => {
            connection.send("before", false).unwrap();
            panic!("in the middle")
        }
        b"too large" => assert!(connection.send(vec![0; 1 << 17], false).is_err()),
        payload => connection.send(payload, true).unwrap(),
    };
    let options = ServerOptions::default().file(FileOptions::default().size(1 << 16));
    let _server = PrpcServer::with_options(&topic, options, handler, |_| {}).unwrap();
    let client = PrpcClient::new(&topic).unwrap();
    let mut stream = client.stream("panic", PATIENCE).unwrap();
    assert_eq!(stream.next().unwrap().unwrap().payload(), b"before");
    let end = stream.next().unwrap();
    assert!(matches!(&end, Err(Error::Remote { reason, .. }) if reason.contains("in the middle")), "{end:?}");
    let end = client.stream("too large", PATIENCE).unwrap().next().unwrap();
    assert!(matches!(&end, Err(Error::Remote { reason, .. }) if reason.contains("131")), "{end:?}");
    assert!(client.stream("fine", PATIENCE).unwrap().next().unwrap().unwrap().done());
}

#[test]
fn a_connection_that_got_anything_is_not_served_again() {
    let topic = topic();
    let client = PrpcClient::new(&topic).unwrap();
    let writer = Writer::new(client.file());
    let begun = writer.write_with(&[(keys::PRPC_TYPE, "connect")], "begun").unwrap().id;
    writer.write_with(&[(keys::PRPC_TYPE, "progress"), (keys::CONN_ID, begun.as_str())], "").unwrap();
    let mut stream = client.stream("fresh", PATIENCE).unwrap();
    let handler = |connection: Connection| {
        assert_eq!(connection.payload(), b"fresh");
        connection.send("", true).unwrap();
    };
    let _server = PrpcServer::with_options(&topic, ServerStart::OldestUnanswered, handler, |_| {}).unwrap();
    assert!(stream.next().unwrap().unwrap().done());
}

#[test]
fn a_gap_in_a_stream_is_an_error() {
    let topic = topic();
    let (entered, inside) = mpsc::channel();
    let handler = move |connection: Connection| entered.send(connection).unwrap();
    let options = ServerOptions::default().file(FileOptions::default().size(1 << 16));
    let _server = PrpcServer::with_options(&topic, options, handler, |_| {}).unwrap();
    let client = PrpcClient::new(&topic).unwrap();
    let (tell, came) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let slow = move |progress| {
        tell.send(progress).unwrap();
        released.recv().ok();
    };
    let mut stream = client.stream("", PATIENCE).unwrap();
    let streamed = inside.recv_timeout(PATIENCE).unwrap();
    client.connect("", slow).unwrap();
    let called = inside.recv_timeout(PATIENCE).unwrap();
    called.send("1", false).unwrap();
    assert!(came.recv_timeout(PATIENCE).unwrap().is_ok());
    // Neither reads meanwhile.
    for connection in [&called, &streamed] {
        for _ in 0..20 {
            connection.send([0; 5000], false).unwrap();
        }
        connection.send("the end", true).unwrap();
    }
    drop(release);
    let end = stream.next().unwrap();
    assert!(matches!(end, Err(Error::ReplyLost { .. })), "{end:?}");
    let end = came.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(end, Err(Error::ReplyLost { .. })), "{end:?}");
    assert!(came.recv_timeout(PATIENCE).is_err());
}

#[test]
fn cancels_that_are_none_are_passed_over() {
    let topic = topic();
    let (_server, told) = endless(&topic);
    let client = PrpcClient::new(&topic).unwrap();
    let writer = Writer::new(client.file());
    let mut stream = client.stream("", PATIENCE).unwrap();
    let other = random_id();
    let cancel = |id: &str, payload: &[u8]| {
        writer.write_with(&[(keys::PRPC_TYPE, "cancel"), (keys::CONN_ID, id)], payload).unwrap();
    };
    cancel(other.as_str(), &other.to_wire());
    cancel("short", b"short");
    // Longer than what is looked at.
    writer.write_with(&[("long", &*"x".repeat(5000))], "").unwrap();
    for _ in 0..20 {
        assert!(stream.next().unwrap().is_ok());
    }
    assert!(told.try_recv().is_err());
    drop(stream);
    told.recv_timeout(PATIENCE).unwrap();
}
