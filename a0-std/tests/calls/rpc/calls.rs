//! Calls and their ends: replies, timeouts, cancels.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{Error, Packet, PacketBuf, ReaderSync, RpcClient, Writer};

use super::{PATIENCE, collecting, echo, small, telling};
use a0_testkit::private_root::topic;

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
