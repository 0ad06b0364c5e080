//! What was made before a fork, and what is made after it, in the child and in its parent.
#![allow(unsafe_code)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::time::Duration;

use a0_std::{
    Cfg, Deadman, Discovery, DiscoverySync, Error, FileOptions, Init, Level, Loan, LogListener, Logger, Protocol,
    PrpcClient, PrpcServer, Publisher, RpcClient, RpcServer, Subscriber, SubscriberFd, SubscriberStream,
    SubscriberSync, SubscriberZeroCopy,
};
use a0_testkit::private_root::{text, topic};
use a0_testkit::until;
use rustix::event::{PollFd, PollFlags, poll};
use smol::stream::StreamExt;

const LONG: Duration = Duration::from_secs(20);

/// Runs in a forked child, which must end by itself.
#[track_caller]
fn in_child(work: impl FnOnce()) {
    // SAFETY: the child has the one thread that it needs, and ends without running anything of its parent's.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: changes nothing in memory. Should the child hang, it ends all the same.
        unsafe { libc::alarm(2 * LONG.as_secs() as u32) };
        let result = catch_unwind(AssertUnwindSafe(work));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made and stores into a local.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child failed, or hung");
}

fn is_forked<T>(result: &a0_std::Result<T>) -> bool {
    matches!(result, Err(Error::Forked { .. }))
}

/// The next message, when the descriptor says that there is one.
fn next(fd: &mut SubscriberFd) -> String {
    loop {
        if let Some(message) = fd.read().unwrap() {
            return text(&message);
        }
        poll(&mut [PollFd::new(&*fd, PollFlags::IN)], None).unwrap();
    }
}

fn echo(topic: &str) -> RpcServer {
    RpcServer::new(topic, |request| drop(request.reply(request.payload())), |_| {}).unwrap()
}

/// Everything that has a thread, or waits for one.
#[test]
fn what_was_made_before_is_dropped_in_the_child_and_goes_on_in_the_parent() {
    static HEARD: AtomicU32 = AtomicU32::new(0);
    let hear = || {
        HEARD.fetch_add(1, SeqCst);
    };
    let topic = topic();
    let subscribers = (
        Subscriber::new(&topic, (), move |_| hear()).unwrap(),
        SubscriberZeroCopy::new(&topic, (), move |_| hear()).unwrap(),
        LogListener::new(&topic, Level::Dbg, (), move |_| hear()).unwrap(),
        Cfg::new(&topic).unwrap().watch(move |_| hear()).unwrap(),
        Discovery::topics(Protocol::PubSub, &format!("{topic}/*"), move |_| hear()).unwrap(),
    );
    let mut found = DiscoverySync::topics(Protocol::PubSub, &format!("{topic}/*")).unwrap();
    assert_eq!(found.read(), None);
    let servers = [echo(&topic), echo(&topic)];
    let progress = PrpcServer::new(&topic, |connection| drop(connection.send("", true)), |_| {}).unwrap();
    let deadman = Deadman::new(&topic).unwrap();
    deadman.take(LONG).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    let (tell, told) = channel();
    let tell_again = tell.clone();
    client.send("1", move |reply| tell.send(reply.is_ok()).unwrap()).unwrap();
    assert!(told.recv_timeout(LONG).unwrap());
    let reply = client.call_async("2", LONG);
    let mut fd = SubscriberFd::new(&topic, ()).unwrap();
    assert!(fd.read().unwrap().is_none());
    let mut all = Some((subscribers, found, servers, progress, deadman, client, reply, fd));

    in_child(|| drop(all.take()));

    let (_subscribers, mut found, _servers, _progress, deadman, client, reply, mut fd) = all.unwrap();
    Publisher::new(&topic).unwrap().publish("on").unwrap();
    Logger::new(&topic).unwrap().info("on").unwrap();
    Cfg::new(&topic).unwrap().write("on").unwrap();
    Publisher::new(&format!("{topic}/new")).unwrap();
    until(|| HEARD.load(SeqCst) == 5);
    assert!(found.read_blocking(LONG).is_ok());
    assert_eq!(next(&mut fd), "on");
    assert!(deadman.state().unwrap().is_owner);
    assert_eq!(smol::block_on(reply).unwrap().payload(), b"2", "the child has cancelled its parent's call");
    client.send("3", move |reply| tell_again.send(reply.is_ok()).unwrap()).unwrap();
    assert!(told.recv_timeout(LONG).unwrap());
    assert!(PrpcClient::new(&topic).unwrap().stream("", LONG).unwrap().all(|progress| progress.is_ok()));
}

#[test]
fn what_does_not_serve_the_child_says_so() {
    let topic = topic();
    let _server = echo(&topic);
    let _progress = PrpcServer::new(&topic, |connection| drop(connection.send("", true)), |_| {}).unwrap();
    let (client, progress) = (RpcClient::new(&topic).unwrap(), PrpcClient::new(&topic).unwrap());
    let (publisher, mut subscriber) = (Publisher::new(&topic).unwrap(), SubscriberSync::new(&topic, ()).unwrap());
    let mut stream = SubscriberStream::new(&topic, ()).unwrap();
    let mut fd = SubscriberFd::new(&topic, ()).unwrap();
    let mut found = DiscoverySync::topics(Protocol::PubSub, &topic).unwrap();
    let nobody = RpcClient::new(&format!("{topic}/nobody")).unwrap();
    let mut reply = nobody.call_async("", LONG);
    // Waited for once, so that there is a thread that tells.
    assert!(pin!(stream.next()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    in_child(|| {
        assert!(is_forked(&client.send("", |_| unreachable!())));
        assert!(is_forked(&progress.connect("", |_| unreachable!())));
        assert!(is_forked(&smol::block_on(client.call_async("", LONG)).map(drop)));
        assert!(is_forked(&smol::block_on(&mut reply).map(drop)));
        assert!(is_forked(&fd.read()));
        assert!(is_forked(&found.read_blocking(LONG).map(drop)));
        // And what needs no thread goes on, or gets a new one.
        assert_eq!(client.call("x", LONG).unwrap().payload(), b"x");
        assert!(progress.stream("", LONG).unwrap().all(|progress| progress.is_ok()));
        assert!(found.read().is_some());
        publisher.publish("child").unwrap();
        assert_eq!(text(&subscriber.read_blocking(LONG).unwrap()), "child");
        assert_eq!(smol::block_on(stream.next()).unwrap().unwrap().payload(), b"child");
        let thread = std::thread::spawn(move || smol::block_on(stream.next()).unwrap().unwrap().payload().to_vec());
        std::thread::sleep(Duration::from_millis(50));
        publisher.publish("later").unwrap();
        assert_eq!(thread.join().unwrap(), b"later");
    });
    assert!(found.read_blocking(LONG).is_ok(), "the child took what was told to its parent");
}

/// New handles in the child, also if other threads of the parent were in the middle of anything when it forked.
#[test]
fn new_handles_work_in_a_child_of_a_busy_parent() {
    let topic = topic();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..3 {
            let (topic, stop) = (format!("{topic}/busy{n}"), &stop);
            scope.spawn(move || {
                let server = echo(&topic);
                let (publisher, client) = (Publisher::new(&topic).unwrap(), RpcClient::new(&topic).unwrap());
                while !stop.load(SeqCst) {
                    let mut fd = SubscriberFd::new(&topic, Init::AwaitNew).unwrap();
                    assert!(fd.read().unwrap().is_none());
                    publisher.publish("busy").unwrap();
                    assert_eq!(next(&mut fd), "busy");
                    smol::block_on(client.call_async("", LONG)).unwrap();
                }
                drop(server);
            });
        }
        let done = catch_unwind(|| {
            for round in 0..40 {
                let topic = format!("{topic}/{round}");
                in_child(|| {
                    let mut fd = SubscriberFd::new(&topic, ()).unwrap();
                    assert!(fd.read().unwrap().is_none());
                    let (tell, told) = channel();
                    let subscriber = Subscriber::new(&topic, (), move |m| tell.send(text(&m)).unwrap()).unwrap();
                    let publisher = Publisher::new(&topic).unwrap();
                    let publishing = std::thread::spawn(move || {
                        // Until the others sleep.
                        std::thread::sleep(Duration::from_millis(10));
                        publisher.publish("child").unwrap();
                    });
                    assert_eq!(next(&mut fd), "child");
                    assert_eq!(told.recv_timeout(LONG).unwrap(), "child");
                    publishing.join().unwrap();
                    drop(subscriber);
                    let (server, client) = (echo(&topic), RpcClient::new(&topic).unwrap());
                    assert_eq!(smol::block_on(client.call_async("x", LONG)).unwrap().payload(), b"x");
                    drop((server, client));
                });
            }
        });
        stop.store(true, SeqCst);
        assert!(done.is_ok());
    });
}

/// How many messages there are, and what is in them.
fn contents(topic: &str) -> Vec<String> {
    let mut reader = SubscriberSync::new(topic, Init::Oldest).unwrap();
    std::iter::from_fn(|| reader.read().unwrap().map(|message| text(&message))).collect()
}

#[test]
fn a_loan_is_the_parents() {
    let misuses: [fn(Loan<'_>); 6] = [
        |loan| drop(loan),
        |loan| _ = loan.commit(),
        |mut loan| loan.truncate(1),
        |mut loan| loan.write_at(0, b"child"),
        |mut loan| loan.with(|bytes| bytes.fill(b'c')),
        |_loan| panic!("unwinds"),
    ];
    for (n, misuse) in misuses.into_iter().enumerate() {
        let topic = topic();
        let publisher = Publisher::new(&topic).unwrap();
        publisher.publish("0").unwrap();
        let mut loan = publisher.loan(6).unwrap();
        loan.write_at(0, b"parent");
        let mut loan = Some(loan);
        in_child(|| {
            let loan = loan.take().unwrap();
            let result = catch_unwind(AssertUnwindSafe(|| misuse(loan)));
            assert_eq!(result.is_err(), n != 0);
            assert_eq!(contents(&topic), ["0"]);
        });
        // Nobody else has got the lock.
        let options = FileOptions::default().lock_timeout(Duration::ZERO);
        let other = topic.clone();
        let publishing = std::thread::spawn(move || Publisher::with_options(&other, &options).unwrap().publish("x"));
        assert!(matches!(publishing.join().unwrap(), Err(Error::Topic { .. })), "{n}");
        let published = loan.take().unwrap().commit();
        assert_eq!((published.seq, contents(&topic)), (2, vec!["0".into(), "parent".into()]), "{n}");
        publisher.publish("2").unwrap();
        in_child(|| _ = publisher.publish("3").unwrap());
        assert_eq!(contents(&topic).len(), 4);
    }
}
