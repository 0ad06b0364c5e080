//! While somebody keeps a topic locked, time limits count, and what does not wait does not wait.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{
    Connection, Error, File, FileOptions, Init, Progress, PrpcClient, PrpcServer, Publisher, ReaderOptions, ReaderSync,
    ReaderSyncZeroCopy, Request, RpcClient, RpcServer, ServerOptions, ServerStart, SubscriberZeroCopy, Writer, keys,
};
use a0_testkit::private_root::{spoil, spoil_at, topic};

const LIMIT: Duration = Duration::from_millis(50);

/// Far beyond what anything here may take.
const LATE: Duration = Duration::from_secs(20);

/// As long as the lock would be waited for.
fn options() -> FileOptions {
    FileOptions::default().size(1 << 16).lock_timeout(3 * LATE)
}

fn oldest() -> ReaderOptions {
    ReaderOptions::default().init(Init::Oldest).file(options())
}

/// Does something while another thread has a loan of the topic.
fn while_locked<R>(file: &File, work: impl FnOnce() -> R) -> R {
    let (lock, locked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let writer = Writer::new(file);
            let loan = writer.loan(8).unwrap();
            lock.send(()).unwrap();
            released.recv_timeout(2 * LATE).ok();
            drop(loan);
        });
        locked.recv().unwrap();
        let started = Instant::now();
        let result = work();
        assert!(started.elapsed() < LATE, "{:?}", started.elapsed());
        drop(release);
        result
    })
}

/// A topic with two messages.
fn two() -> File {
    let file = File::open(topic(), &options()).unwrap();
    a0_testkit::private_root::write(&file, &["one", "two"]);
    file
}

fn timed_out<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Timeout { .. }))
}

#[test]
fn reads_that_do_not_wait_find_nothing_and_go_on_later() {
    let file = two();
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let mut in_place = ReaderSyncZeroCopy::new(&file, Init::Oldest).unwrap();
    while_locked(&file, || {
        // What is wrong with it, only the lock's holder knows for certain.
        spoil(&file);
        for _ in 0..3 {
            assert!(reader.read().unwrap().is_none());
            assert_eq!(reader.read_batch(|_| panic!("there is nothing")).unwrap(), 0);
            assert!(reader.read_in_place(|_| ()).unwrap().is_none());
            assert!(in_place.read(|_| ()).unwrap().is_none());
            assert!(in_place.can_read().is_ok() && file.state().is_ok());
        }
    });
    assert!(matches!(reader.read(), Err(Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. })));
    assert_eq!(a0_testkit::private_root::text(&reader.read().unwrap().unwrap()), "two");
    assert!(in_place.read(|_| ()).is_err());
    assert_eq!(in_place.read(|message| a0_testkit::private_root::text(&message)).unwrap().unwrap(), "two");
}

#[test]
fn waits_end_in_time() {
    let file = two();
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let sound = topic();
    let publisher = Publisher::with_options(&sound, &options()).unwrap();
    publisher.publish("x").unwrap();
    let mut in_place = ReaderSyncZeroCopy::new(publisher.file(), Init::Oldest).unwrap();
    while_locked(&file, || {
        spoil(&file);
        assert!(timed_out(reader.read_blocking(LIMIT)));
        assert!(timed_out(reader.read_in_place_blocking(LIMIT, |_| ())));
    });
    while_locked(publisher.file(), || {
        assert!(timed_out(in_place.read_blocking(LIMIT, |_| ())));
        let interrupter = in_place.interrupter();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| in_place.read_blocking(None, |_| ()));
            thread::sleep(LIMIT);
            interrupter.interrupt();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Interrupted { .. })));
        });
        let subscriber = SubscriberZeroCopy::new(&sound, oldest(), |_| {}).unwrap();
        thread::sleep(LIMIT);
        drop(subscriber);
    });
}

#[test]
fn calls_end_in_time() {
    const CALLS: usize = 4;
    let topic = topic();
    let client = RpcClient::with_options(&topic, &options()).unwrap();
    let (tell, told) = mpsc::channel();
    for _ in 0..CALLS {
        let tell = tell.clone();
        client.send_with(&[], "", LIMIT, move |result| tell.send(timed_out(result)).unwrap()).unwrap();
    }
    while_locked(client.file(), || {
        assert!(timed_out(client.call("", LIMIT)));
        assert!(timed_out(client.send_with(&[], "", LIMIT, |_| panic!("it was not sent"))));
        for _ in 0..CALLS {
            assert!(told.recv_timeout(LATE).unwrap());
        }
    });
    // The two that were not sent are not in the topic.
    client.send("", |_| {}).unwrap();
    let mut reader = ReaderSync::new(client.file(), Init::Oldest).unwrap();
    let mut requests = 0;
    while let Some(message) = reader.read().unwrap() {
        requests += usize::from(message.header("a0_rpc_type") == Some("request"));
    }
    assert_eq!(requests, CALLS + 1);
}

#[test]
fn streams_clients_and_servers_end_in_time() {
    let topic = topic();
    let handler = |connection: Connection| connection.send("one", false).unwrap();
    let server = PrpcServer::new(&topic, handler, |_| {}).unwrap();
    let client = PrpcClient::with_options(&topic, &options()).unwrap();
    let mut late = client.stream("", LATE).unwrap();
    assert!(late.next().unwrap().is_ok());
    let mut stream = client.stream("", LIMIT).unwrap();
    stream.next();
    while_locked(client.file(), || {
        assert!(stream.next().is_none_or(timed_out));
        assert!(timed_out(client.stream("", LIMIT)));
        drop(late);
        drop(server);
    });
}

/// A server that has something to say by itself does not keep on trying when it is dropped.
#[test]
fn servers_that_cannot_say_what_they_have_to_end_all_the_same() {
    let topic = topic();
    let client = RpcClient::with_options(&topic, &options()).unwrap();
    let (lock, locked) = mpsc::channel();
    let (called, is_called) = mpsc::channel();
    let handler = move |_| {
        called.send(()).unwrap();
        locked.recv().unwrap();
        panic!("the client is to hear of this");
    };
    let server_options = ServerOptions::default().file(options());
    let server = RpcServer::with_options(&topic, server_options, handler, |_| {}).unwrap();
    client.send("", |_| {}).unwrap();
    is_called.recv().unwrap();
    while_locked(client.file(), || {
        lock.send(()).unwrap();
        drop(server);
    });
}

/// What was answered before is found out, however long the lock is held.
#[test]
fn servers_that_take_unanswered_calls_wait_to_know_which_these_are() {
    let topic = topic();
    let client = RpcClient::with_options(&topic, &options()).unwrap();
    let writer = Writer::new(client.file());
    writer.write("damaged").unwrap();
    let request = writer.write_with(&[(keys::RPC_TYPE, "request")], "answered").unwrap();
    writer.write_with(&[(keys::RPC_TYPE, "response"), (keys::REQ_ID, request.id.as_str())], "").unwrap();
    let (tell, told) = mpsc::channel();
    let handler = move |request: Request| {
        tell.send(request.payload().to_vec()).unwrap();
        request.reply("").unwrap();
    };
    thread::scope(|scope| {
        let server = while_locked(client.file(), || {
            spoil(client.file());
            let options = ServerOptions::default().start(ServerStart::OldestUnanswered).file(options());
            let server = scope.spawn(|| RpcServer::with_options(&topic, options, handler, |_| {}));
            thread::sleep(LIMIT);
            server
        });
        let _server = server.join().unwrap().unwrap();
        client.call("new", LATE).unwrap();
    });
    assert_eq!(told.iter().collect::<Vec<_>>(), [b"new"]);
}

/// What is in front of the last words of a server may be one of its answers, too: that is lost, which only the lock's holder
/// can tell.
#[test]
fn calls_do_not_end_with_their_server_while_there_is_something_to_be_read() {
    let topic = topic();
    let (hand_out, handed_out) = mpsc::channel();
    let server = PrpcServer::new(&topic, move |connection| hand_out.send(connection).unwrap(), |_| {}).unwrap();
    let client = PrpcClient::with_options(&topic, &options()).unwrap();
    let mut stream = client.stream("", LATE).unwrap();
    let one = handed_out.recv().unwrap();
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let callback = move |result: Result<Progress, Error>| {
        tell.send(result).unwrap();
        released.recv().ok();
    };
    client.connect_with(&[], "", LATE, callback).unwrap();
    let other = handed_out.recv().unwrap();
    other.send("first", false).unwrap();
    assert_eq!(told.recv().unwrap().unwrap().payload(), b"first");
    a0_testkit::private_root::write(client.file(), &["damaged"]);
    let damaged = client.file().state().unwrap().off_tail;
    for connection in [one, other] {
        connection.send("last", true).unwrap();
    }
    drop(server);
    thread::scope(|scope| {
        let streamed = while_locked(client.file(), || {
            spoil_at(client.file(), damaged);
            drop(release);
            let streamed = scope.spawn(move || stream.next().unwrap());
            thread::sleep(2 * LIMIT);
            streamed
        });
        for result in [streamed.join().unwrap(), told.recv_timeout(LATE).unwrap()] {
            assert!(matches!(result, Err(Error::ReplyLost { .. })), "{result:?}");
        }
    });
}
