//! What clients learn of their servers' ends. Servers that are killed: `a0-testkit/tests/rpc_killed.rs`.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use a0_std::{
    Connection, Deadman, Error, File, FileOptions, Protocol, PrpcClient, PrpcServer, ReaderSync, Request, RpcClient,
    RpcServer, ServerStart, Writer, keys,
};

use super::{PATIENCE, collecting, stop_here};
use a0_testkit::private_root::topic;
use a0_testkit::until;

/// A server that forgets every request, and says so.
fn forgetting(topic: &str) -> (RpcServer, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    (RpcServer::new(topic, move |_| tell.send(()).unwrap(), |_| {}).unwrap(), told)
}

fn is_taken(name: &str) -> bool {
    Deadman::open_existing(name).unwrap().is_some_and(|deadman| deadman.state().unwrap().taken)
}

#[test]
fn calls_end_with_their_server() {
    let topic = topic();
    let client = RpcClient::new(&topic).unwrap();
    for _ in 0..3 {
        let (server, told) = forgetting(&topic);
        assert!(is_taken(&format!("{topic}.rpc")));
        thread::scope(|scope| {
            let caller = scope.spawn(|| client.call("blocking", None));
            let (tell, sent) = mpsc::channel();
            client.send("sent", move |result| tell.send(result).unwrap()).unwrap();
            told.recv_timeout(PATIENCE).unwrap();
            told.recv_timeout(PATIENCE).unwrap();
            server.close();
            for result in [caller.join().unwrap(), sent.recv_timeout(PATIENCE).unwrap()] {
                assert!(matches!(result, Err(Error::ServerGone { .. })), "{result:?}");
            }
        });
        assert!(!is_taken(&format!("{topic}.rpc")));
    }
}

#[test]
fn streams_end_with_their_server() {
    let topic = topic();
    let handler = |connection: Connection| connection.send("one", false).unwrap();
    let server = PrpcServer::new(&topic, handler, |_| {}).unwrap();
    assert!(is_taken(&format!("{topic}.prpc")));
    let client = PrpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    client.connect("", move |progress| tell.send(progress).unwrap()).unwrap();
    let mut stream = client.stream("", None).unwrap();
    assert!(stream.next().unwrap().is_ok());
    assert!(told.recv_timeout(PATIENCE).unwrap().is_ok());
    server.close();
    let end = stream.next().unwrap();
    assert!(matches!(end, Err(Error::ServerGone { .. })), "{end:?}");
    assert!(stream.next().is_none());
    let end = told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(end, Err(Error::ServerGone { .. })), "{end:?}");
}

#[test]
fn the_last_reply_of_a_server_counts() {
    let topic = topic();
    let (answered, knows) = mpsc::channel();
    let handler = move |request: Request| {
        request.reply(request.payload()).unwrap();
        answered.send(()).unwrap();
    };
    let server = RpcServer::new(&topic, handler, |_| {}).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let (stop_here, stopped) = stop_here();
    client.send("keeps the thread busy", move |_| stop_here()).unwrap();
    stopped.await_arrival();
    let (tell, told) = mpsc::channel();
    client.send("last", move |result| tell.send(result).unwrap()).unwrap();
    for _ in 0..2 {
        knows.recv_timeout(PATIENCE).unwrap();
    }
    server.close();
    // By now it is long overdue to look for the server.
    thread::sleep(Duration::from_millis(100));
    stopped.release();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap().payload(), b"last");
}

/// Callbacks run while the client looks for calls that are over. What is answered meanwhile counts, too.
#[test]
fn the_last_reply_counts_even_if_it_comes_while_others_are_given_up() {
    let topic = topic();
    let (server, requested, _) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let ((stop_first, first), (stop_second, second)) = (stop_here(), stop_here());
    let (tell, told) = mpsc::channel();
    client.send("first", move |_| stop_first()).unwrap();
    client.send("second", move |_| stop_second()).unwrap();
    client.send_with(&[], "never answered", Duration::from_millis(10), |_| {}).unwrap();
    client.send("last", move |result| tell.send(result).unwrap()).unwrap();
    let requests: Vec<_> = requested.iter().take(4).collect();
    requests[0].reply("").unwrap();
    first.await_arrival();
    requests[1].reply("").unwrap();
    // By now a call is overdue, which is seen before the second reply.
    thread::sleep(Duration::from_millis(100));
    first.release();
    second.await_arrival();
    requests[3].reply("last").unwrap();
    drop(requests);
    server.close();
    second.release();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap().payload(), b"last");
}

/// It may have taken the call, and given some of the answers: then the server that is there now does not.
#[test]
fn a_server_that_came_and_went_unseen_was_there() {
    let topic = topic();
    let client = RpcClient::new(&topic).unwrap();
    let deadman = Deadman::new(&format!("{topic}.rpc")).unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("", PATIENCE));
        let (tell, told) = mpsc::channel();
        client.send("", move |result| tell.send(result).unwrap()).unwrap();
        until(|| client.file().state().unwrap().seq_high == 2);
        for _ in 0..2 {
            drop(deadman.release());
            deadman.take(None).unwrap();
        }
        for result in [caller.join().unwrap(), told.recv_timeout(PATIENCE).unwrap()] {
            assert!(matches!(result, Err(Error::ServerGone { .. })), "{result:?}");
        }
    });
}

/// Between two instructions a server has counted itself and is not there yet.
#[test]
fn a_server_that_is_just_coming_is_not_gone() {
    const DIED: u32 = 0x4000_0000;
    for comes_first in [true, false] {
        let topic = topic();
        let client = RpcClient::new(&topic).unwrap();
        let deadman = Deadman::new(&format!("{topic}.rpc")).unwrap();
        let bytes = fs::File::options().write(true).open(deadman.path()).unwrap();
        let store = |word: u32| bytes.write_all_at(&word.to_le_bytes(), 16).unwrap();
        let come = || {
            store(DIED | std::process::id());
            bytes.write_all_at(&1u64.to_le_bytes(), 24).unwrap();
        };
        if comes_first {
            come();
        }
        thread::scope(|scope| {
            let caller = scope.spawn(|| client.call("", PATIENCE));
            let (tell, told) = mpsc::channel();
            client.send("", move |result| tell.send(result).unwrap()).unwrap();
            until(|| client.file().state().unwrap().seq_high == 2);
            if !comes_first {
                come();
            }
            for word in [None, Some(std::process::id())] {
                word.into_iter().for_each(store);
                // Time for several looks.
                thread::sleep(Duration::from_millis(100));
                assert!(!caller.is_finished() && told.try_recv().is_err(), "{comes_first} {word:?}");
            }
            store(DIED);
            for result in [caller.join().unwrap(), told.recv_timeout(PATIENCE).unwrap()] {
                assert!(matches!(result, Err(Error::ServerGone { .. })), "{result:?}");
            }
        });
    }
}

/// The client looks for a deadman every 50 ms only. How often it was taken until then says nothing of later calls.
#[test]
fn a_server_that_is_found_late_is_not_gone() {
    let topic = topic();
    let client = RpcClient::new(&topic).unwrap();
    client.send("looks for it", |_| {}).unwrap();
    let deadman = Deadman::new(&format!("{topic}.rpc")).unwrap();
    for _ in 0..2 {
        drop(deadman.release());
        deadman.take(None).unwrap();
    }
    let (tell, told) = mpsc::channel();
    client.send("for the second server", move |result| tell.send(result).unwrap()).unwrap();
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
    deadman.release().unwrap();
    assert!(matches!(told.recv_timeout(PATIENCE).unwrap(), Err(Error::ServerGone { .. })));
}

#[test]
fn a_second_server_stands_by() {
    let topic = topic();
    let (first, _first_told) = forgetting(&topic);
    let (second, second_told) = forgetting(&topic);
    let (third, _third_told) = forgetting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    // One that only stands by can go.
    third.close();
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("", None));
        let (tell, told) = mpsc::channel();
        client.send("", move |result| tell.send(result).unwrap()).unwrap();
        // Both get every request, so the second one may answer.
        for _ in 0..2 {
            second_told.recv_timeout(PATIENCE).unwrap();
        }
        first.close();
        thread::sleep(Duration::from_millis(200));
        assert!(!caller.is_finished() && told.try_recv().is_err());
        second.close();
        for result in [caller.join().unwrap(), told.recv_timeout(PATIENCE).unwrap()] {
            assert!(matches!(result, Err(Error::ServerGone { .. })), "{result:?}");
        }
    });
    assert!(!is_taken(&format!("{topic}.rpc")));
}

/// However long it takes.
#[test]
fn a_server_that_stands_by_answers_what_the_first_one_leaves() {
    let topic = topic();
    let (first, _first_told) = forgetting(&topic);
    let (_second, requested, _) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    client.send("", move |result| tell.send(result).unwrap()).unwrap();
    let request = requested.recv_timeout(PATIENCE).unwrap();
    first.close();
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
    request.reply("late").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap().payload(), b"late");
}

/// It takes only what comes after it was made.
#[test]
fn a_server_that_came_after_a_call_does_not_keep_it_waiting() {
    let topic = topic();
    let (first, first_told) = forgetting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    client.send("", move |result| tell.send(result).unwrap()).unwrap();
    first_told.recv_timeout(PATIENCE).unwrap();
    let (_second, _second_told) = forgetting(&topic);
    first.close();
    assert!(matches!(told.recv_timeout(PATIENCE).unwrap(), Err(Error::ServerGone { .. })));
}

/// A call waits; one server comes and goes, and the next one, which is there by then, takes the call.
#[test]
fn a_server_that_takes_unanswered_calls_has_them_whoever_went_before() {
    let topic = topic();
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    client.send("", move |result| tell.send(result).unwrap()).unwrap();
    let (first, _first_told) = forgetting(&topic);
    let (take, taken) = mpsc::channel();
    let handler = move |request: Request| take.send(request).unwrap();
    let _server = RpcServer::with_options(&topic, ServerStart::OldestUnanswered, handler, |_| {}).unwrap();
    let request = taken.recv_timeout(PATIENCE).unwrap();
    first.close();
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
    request.reply("done").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap().payload(), b"done");
}

/// It leaves no sign of life. That one of 0.3 was here stands in the topic's header.
#[test]
fn servers_of_0_3_may_answer_what_another_one_leaves() {
    let topic = topic();
    let (server, server_told) = forgetting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    let bytes = fs::File::options().write(true).open(client.file().path()).unwrap();
    bytes.write_all_at(&1_u32.to_ne_bytes(), a0_core::layout::header::FOREIGN.offset()).unwrap();
    let (tell, told) = mpsc::channel();
    let id = client.send("", move |result| tell.send(result).unwrap()).unwrap();
    server_told.recv_timeout(PATIENCE).unwrap();
    server.close();
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
    let headers = [(keys::RPC_TYPE, "response"), (keys::REQ_ID, id.as_str())];
    Writer::new(client.file()).write_with(&headers, "foreign").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap().payload(), b"foreign");
}

#[test]
fn servers_without_a_deadman_are_waited_for() {
    let topic = topic();
    let file = File::open(Protocol::Rpc.path(&topic).unwrap(), &FileOptions::default()).unwrap();
    let mut reader = ReaderSync::new(&file, ()).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("", PATIENCE));
        let id = reader.read_blocking(PATIENCE).unwrap().id().to_owned();
        // Longer than any look for the server takes.
        thread::sleep(Duration::from_millis(200));
        let headers = [(keys::RPC_TYPE, "response"), (keys::REQ_ID, &*id)];
        Writer::new(&file).write_with(&headers, "foreign").unwrap();
        assert_eq!(caller.join().unwrap().unwrap().payload(), b"foreign");
    });
    assert!(Deadman::open_existing(&format!("{topic}.rpc")).unwrap().is_none());
    // The client was there before the server, and finds it all the same.
    let (server, told) = forgetting(&topic);
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("", None));
        told.recv_timeout(PATIENCE).unwrap();
        // So that the client has looked for it.
        thread::sleep(Duration::from_millis(200));
        server.close();
        assert!(matches!(caller.join().unwrap(), Err(Error::ServerGone { .. })));
    });
}

/// The client looks every 10 ms, and for a deadman that was not there every 50 ms. Servers can be faster.
#[test]
fn a_server_that_nobody_saw_ends_calls() {
    for known in [false, true] {
        let topic = topic();
        let file = File::open(Protocol::Rpc.path(&topic).unwrap(), &FileOptions::default()).unwrap();
        let mut reader = ReaderSync::new(&file, ()).unwrap();
        let server = || assert!(Deadman::new(&format!("{topic}.rpc")).unwrap().try_take().unwrap().is_some());
        if known {
            server();
        }
        let client = RpcClient::new(&topic).unwrap();
        thread::scope(|scope| {
            let caller = scope.spawn(|| client.call("blocking", PATIENCE));
            let (tell, sent) = mpsc::channel();
            client.send_with(&[], "sent", PATIENCE, move |result| tell.send(result).unwrap()).unwrap();
            for _ in 0..2 {
                reader.read_blocking(PATIENCE).unwrap();
            }
            server();
            for result in [caller.join().unwrap(), sent.recv_timeout(PATIENCE).unwrap()] {
                assert!(matches!(result, Err(Error::ServerGone { .. })), "{result:?}");
            }
        });
    }
}

/// Who went before a call was sent has nothing to do with it.
#[test]
fn calls_wait_for_the_next_server() {
    let topic = topic();
    drop(forgetting(&topic));
    let client = RpcClient::new(&topic).unwrap();
    thread::scope(|scope| {
        let callers = [(); 4].map(|()| scope.spawn(|| client.call("", Duration::from_millis(200))));
        for caller in callers {
            let result = caller.join().unwrap();
            assert!(matches!(result, Err(Error::Timeout { .. })), "{result:?}");
        }
    });
}

/// A server that stands by has requests, too, so its end shows even if its turn had not come yet.
#[test]
fn a_server_that_stood_by_is_seen_to_go() {
    let topic = topic();
    let deadman = Deadman::new(&format!("{topic}.rpc")).unwrap();
    for round in 1..=10 {
        assert_eq!(deadman.try_take().unwrap().unwrap().token, 2 * round - 1);
        let (server, _told) = forgetting(&topic);
        deadman.release().unwrap();
        server.close();
        let state = deadman.state().unwrap();
        assert_eq!((state.taken, state.token), (false, 2 * round));
    }
}

#[test]
fn a_server_goes_on_standing_by_when_it_cannot_for_a_moment() {
    let topic = topic();
    let (first, _first_told) = forgetting(&topic);
    let (_second, _second_told) = forgetting(&topic);
    let mark = Protocol::Deadman.path(&format!("{topic}.rpc")).unwrap();
    // Longer than the owner would be waited for.
    fs::remove_file(&mark).unwrap();
    fs::create_dir(&mark).unwrap();
    thread::sleep(Duration::from_secs(2));
    fs::remove_dir(&mark).unwrap();
    until(|| is_taken(&format!("{topic}.rpc")));
    first.close();
    until(|| is_taken(&format!("{topic}.rpc")));
}

#[test]
fn a_server_whose_files_were_removed_is_missed_all_the_same() {
    let topic = topic();
    let (server, told) = forgetting(&topic);
    fs::remove_file(Protocol::Rpc.path(&topic).unwrap()).unwrap();
    fs::remove_file(Protocol::Deadman.path(&format!("{topic}.rpc")).unwrap()).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    // Until the server has found both files.
    until(|| is_taken(&format!("{topic}.rpc")));
    until(|| {
        let _ = client.call("after", Duration::from_millis(10));
        told.try_recv().is_ok()
    });
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("last", None));
        until(|| told.try_recv().is_ok());
        server.close();
        let result = caller.join().unwrap();
        assert!(matches!(result, Err(Error::ServerGone { .. })), "{result:?}");
    });
}

#[test]
fn a_server_that_goes_on_with_another_mark_is_not_missed() {
    let topic = topic();
    let (server, requested, _) = collecting(&topic);
    let client = RpcClient::new(&topic).unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call("x", PATIENCE));
        let request = requested.recv_timeout(PATIENCE).unwrap();
        let mark = Protocol::Deadman.path(&format!("{topic}.rpc")).unwrap();
        let before = fs::File::open(&mark).unwrap();
        fs::remove_file(&mark).unwrap();
        until(|| is_taken(&format!("{topic}.rpc")));
        // Let go where the call was sent.
        let mut word = [0; 4];
        until(|| before.read_exact_at(&mut word, 16).is_ok() && u32::from_ne_bytes(word) & 0x3fff_ffff == 0);
        thread::sleep(Duration::from_millis(200));
        request.reply("here").unwrap();
        assert_eq!(caller.join().unwrap().unwrap().payload(), b"here");
        let caller = scope.spawn(|| client.call("y", None));
        drop(requested.recv_timeout(PATIENCE).unwrap());
        drop(request);
        server.close();
        let result = caller.join().unwrap();
        assert!(matches!(result, Err(Error::ServerGone { .. })), "{result:?}");
    });
}
