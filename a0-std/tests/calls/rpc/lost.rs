//! Requests and replies that were overwritten, and packets that are none.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use a0_std::{Error, Request, RpcClient, RpcServer, ServerOptions, Writer, keys, random_id};

use super::{PATIENCE, collecting, small, stop_here, telling};
use a0_testkit::private_root::topic;
use a0_testkit::{bare, until};

#[test]
fn a_request_that_the_server_misses_is_lost_and_said_to_be() {
    let topic = topic();
    let options = ServerOptions::default().file(small(1 << 16));
    let (stop_here, stopped) = stop_here();
    let handler = move |request: Request| {
        if request.payload() == b"first" {
            stop_here();
        }
        request.reply(request.payload()).unwrap();
    };
    let _server = RpcServer::with_options(&topic, options, handler, |_| {}).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = mpsc::channel();
    client.send("first", telling(&tell, 1)).unwrap();
    stopped.await_arrival();
    client.send("lost", telling(&tell, 2)).unwrap();
    // The client keeps up; the server does not, because it sits in its handler.
    let noise = Writer::new(client.file());
    for _ in 0..20 {
        noise.write([0; 5000]).unwrap();
        let (saw, seen) = mpsc::channel();
        let id = client.send("answered here", move |reply| saw.send(reply.is_ok()).unwrap()).unwrap();
        noise.write_with(&[(keys::RPC_TYPE, "response"), (keys::REQ_ID, id.as_str())], "").unwrap();
        assert!(seen.recv_timeout(PATIENCE).unwrap());
    }
    stopped.release();
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
        let caller = scope.spawn(|| client.call("nobody listens", Duration::from_secs(1)));
        until(|| client.file().state().unwrap().seq_high > 0);
        for _ in 0..5 {
            noise.write([0; 20_000]).unwrap();
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
    let (stop_here, stopped) = stop_here();
    client.send("keeps the thread busy", move |_| stop_here()).unwrap();
    client.send("unanswered", telling(&tell, 0)).unwrap();
    requested.recv_timeout(PATIENCE).unwrap().reply("").unwrap();
    drop(requested.recv_timeout(PATIENCE).unwrap());
    stopped.await_arrival();
    let noise = Writer::new(client.file());
    for _ in 0..client.file().size() / 5000 + 2 {
        noise.write([0; 5000]).unwrap();
    }
    client.send("after the gap", telling(&tell, 1)).unwrap();
    stopped.release();
    let (n, result) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(n, 0);
    assert!(matches!(result, Err(Error::ReplyLost { .. })), "{result:?}");
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
    let mut locked = bare(client.file()).lock(None).unwrap();
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
