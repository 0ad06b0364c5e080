//! Servers: what they take, what they survive, and what stays to be answered.

use std::collections::HashSet;
use std::hint;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use a0_std::{
    Deadman, Error, Id, Packet, Request, RpcClient, RpcServer, ServerOptions, ServerStart, Writer, keys, random_id,
};

use super::{PATIENCE, collecting, echo, small, telling, written};
use a0_testkit::private_root::topic;

#[test]
fn who_sees_that_a_server_is_there_can_call_it() {
    for _ in 0..100 {
        let topic = topic();
        let deadman = Deadman::new(&format!("{topic}.rpc")).unwrap();
        let client = RpcClient::new(&topic).unwrap();
        thread::scope(|scope| {
            let call = scope.spawn(|| {
                // Asleep, it would wake up too late to be in anybody's way.
                while !deadman.state().unwrap().taken {
                    hint::spin_loop();
                }
                client.call("", PATIENCE).unwrap();
            });
            let server = echo(&topic);
            call.join().unwrap();
            drop(server);
        });
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

/// Whoever may not use the topic may not pass for its server either.
#[test]
fn the_deadman_is_as_private_as_the_topic() {
    let topic = topic();
    let options = ServerOptions::default().file(small(1 << 16).mode(0o600));
    let server = RpcServer::with_options(&topic, options, |_| {}, |_| {}).unwrap();
    let deadman = Deadman::open_existing(&format!("{topic}.rpc")).unwrap().unwrap();
    for path in [server.file().path(), deadman.path()] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_reply_that_is_too_large_is_an_error_on_both_sides() {
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let options = ServerOptions::default().file(small(1 << 16));
    let handler = move |request: Request| tell.send(request.reply(vec![0; 1 << 17])).unwrap();
    let _server = RpcServer::with_options(&topic, options, handler, |_| {}).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let result = client.call("", PATIENCE);
    assert!(matches!(&result, Err(Error::Remote { reason, .. }) if reason.contains("131")), "{result:?}");
    let ours = told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(ours, Err(Error::Topic { cause: a0_std::TopicError::FrameTooLarge { .. }, .. })), "{ours:?}");
    // And so is a request.
    let result = client.call(vec![0; 1 << 17], PATIENCE);
    assert!(matches!(result, Err(Error::Topic { cause: a0_std::TopicError::FrameTooLarge { .. }, .. })), "{result:?}");
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
