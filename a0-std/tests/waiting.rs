//! Every waiting strategy: all messages come, timeouts and stops work, and it waits in the way that it says.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use a0_std::{
    ClientOptions, Error, FileOptions, Init, Iter, Mode, PrpcClient, PrpcServer, Publisher, ReaderOptions, RpcClient,
    RpcServer, ServerOptions, Subscriber, SubscriberSync, SubscriberSyncZeroCopy, SubscriberZeroCopy, Wait,
};
use a0_testkit::actor::{Actor, await_go, say, script};
use a0_testkit::private_root::topic;

/// Long enough for a busy machine; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

const STRATEGIES: [Wait; 4] = [
    Wait::Spin,
    Wait::SpinThenSleep(Duration::from_micros(5)),
    Wait::SpinThenSleep(Duration::from_millis(2)),
    Wait::Sleep,
];

/// The kernel lets a thread that does not ask for it sleep, too, now and then: while it waits for memory, for example. It does
/// not do so each time.
const TRIES: u32 = 5;

/// Rounds of each game.
const ROUNDS: u32 = 200;

/// A second process that plays all parts with one strategy; see [`child`].
fn peer(topic: &str, strategy: usize) -> Actor {
    let peer = Actor::start(&strategy.to_string(), topic);
    peer.expect("at work");
    peer
}

/// Answers messages and calls, until its standard input ends.
#[test]
#[ignore = "a part of other tests"]
fn child() {
    let Some((strategy, topic)) = script() else { return };
    let wait = STRATEGIES[strategy.parse::<usize>().unwrap()];
    let back = Publisher::new(&format!("{topic}/back")).unwrap();
    let _subscriber = Subscriber::new(&format!("{topic}/there"), wait, move |message| {
        back.publish(message.payload()).unwrap();
    })
    .unwrap();
    let rpc = RpcServer::with_options(
        &topic,
        wait,
        |request| match request.payload() {
            b"never" => {
                std::mem::forget(request);
                say("taken");
            }
            payload => request.reply(payload).unwrap(),
        },
        |_| {},
    )
    .unwrap();
    let prpc = PrpcServer::with_options(
        &topic,
        wait,
        |connection| {
            connection.send("one", false).unwrap();
            connection.send("two", true).unwrap();
        },
        |_| {},
    )
    .unwrap();
    say("at work");
    await_go();
    rpc.close();
    prpc.close();
}

#[test]
fn messages_and_answers_come_in_every_strategy() {
    for (strategy, wait) in STRATEGIES.into_iter().enumerate() {
        let topic = topic();
        let peer = peer(&topic, strategy);

        let there = Publisher::new(&format!("{topic}/there")).unwrap();
        let mut back = SubscriberSync::new(&format!("{topic}/back"), wait).unwrap();
        for round in 0..ROUNDS {
            there.publish(round.to_le_bytes()).unwrap();
            let message = back.read_blocking(PATIENCE).unwrap();
            assert_eq!((message.payload(), message.missed()), (&round.to_le_bytes()[..], 0), "{wait:?}");
        }
        let client = RpcClient::with_options(&topic, wait).unwrap();
        for round in 0..ROUNDS {
            assert_eq!(client.call(round.to_le_bytes(), PATIENCE).unwrap().payload(), round.to_le_bytes());
        }
        let (tell, told) = mpsc::channel();
        client.send("sent", move |reply| tell.send(reply.unwrap()).unwrap()).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap().payload(), b"sent");
        let client = PrpcClient::with_options(&topic, ClientOptions::default().wait(wait)).unwrap();
        let answers: Vec<_> = client.stream("", PATIENCE).unwrap().map(|progress| progress.unwrap()).collect();
        assert_eq!(answers.len(), 2);

        // Its threads stop in this strategy, too.
        peer.finish();
    }
}

#[test]
fn the_death_of_a_server_is_noticed_in_every_strategy() {
    for (strategy, wait) in STRATEGIES.into_iter().enumerate() {
        let topic = topic();
        let mut peer = peer(&topic, strategy);
        let client = RpcClient::with_options(&topic, wait).unwrap();
        assert!(client.call("there?", PATIENCE).is_ok());
        thread::scope(|scope| {
            let caller = scope.spawn(|| client.call("never", PATIENCE));
            let (tell, told) = mpsc::channel();
            client.send("never", move |reply| tell.send(reply).unwrap()).unwrap();
            for _ in 0..2 {
                peer.expect("taken");
            }
            peer.process.kill().unwrap();
            for result in [caller.join().unwrap(), told.recv_timeout(PATIENCE).unwrap()] {
                assert!(matches!(result, Err(Error::ServerGone { .. })), "{wait:?}: {result:?}");
            }
        });
    }
}

#[test]
fn waits_end_in_time_and_when_they_are_told_to() {
    for wait in STRATEGIES {
        let topic = topic();
        let mut reader = SubscriberSync::new(&topic, wait).unwrap();
        let started = Instant::now();
        assert!(matches!(reader.read_blocking(Duration::from_millis(30)), Err(Error::Timeout { .. })));
        assert!(started.elapsed() >= Duration::from_millis(30));
        assert!(matches!(reader.read_blocking(Duration::ZERO), Err(Error::Timeout { .. })));
        let mut in_place = SubscriberSyncZeroCopy::new(&topic, wait).unwrap();
        let nothing = in_place.read_blocking(Duration::from_millis(1), |_| {});
        assert!(matches!(nothing, Err(Error::Timeout { .. })));

        let interrupter = reader.interrupter();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(reader.read_blocking(None).map(drop)).unwrap());
        assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
        interrupter.interrupt();
        let end = told.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(end, Err(Error::Interrupted { .. })), "{wait:?}: {end:?}");

        // Dropping joins the threads; that may not take for ever.
        let handles = (
            Subscriber::new(&topic, wait, |_| {}).unwrap(),
            SubscriberZeroCopy::new(&topic, wait, |_| {}).unwrap(),
            RpcServer::with_options(&topic, wait, |_| {}, |_| {}).unwrap(),
        );
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            drop(handles);
            tell.send(()).unwrap();
        });
        told.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_removed_topic_is_noticed_in_every_strategy() {
    for wait in STRATEGIES.into_iter().chain([Wait::SpinThenSleep(Duration::MAX)]) {
        let mut reader = SubscriberSync::new(&topic(), wait).unwrap();
        fs::remove_file(reader.file().path()).unwrap();
        let end = reader.read_blocking(PATIENCE).map(drop);
        assert!(matches!(end, Err(Error::TopicRemoved { .. })), "{wait:?}: {end:?}");
    }
}

#[test]
fn a_subscriber_keeps_its_strategy_when_it_moves_on() {
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let subscriber = Subscriber::new(&topic, Wait::Spin, move |_| {
        tell.send(Usage::of_this_thread().sleeps).unwrap();
    })
    .unwrap();
    fs::remove_file(subscriber.file().path()).unwrap();
    let publisher = Publisher::new(&topic).unwrap();
    let sleeps = || {
        publisher.publish("news").unwrap();
        told.recv_timeout(PATIENCE).unwrap()
    };
    let mut before = sleeps();
    let stayed_awake = (0..TRIES).any(|_| {
        thread::sleep(Duration::from_millis(100));
        let last = std::mem::replace(&mut before, sleeps());
        last == before
    });
    assert!(stayed_awake || !has_cores());
}

#[test]
fn each_strategy_waits_as_it_says() {
    let waits = |wait: Wait, access: Mode, timeout: u64| {
        let topic = topic();
        drop(Publisher::new(&topic).unwrap());
        let file = FileOptions::default().access(access);
        let options = ReaderOptions::default().wait(wait).file(file);
        let mut reader = SubscriberSync::new(&topic, options).unwrap();
        let before = Usage::of_this_thread();
        assert!(matches!(reader.read_blocking(Duration::from_millis(timeout)), Err(Error::Timeout { .. })));
        let after = Usage::of_this_thread();
        (after.sleeps - before.sleeps, after.busy - before.busy)
    };
    for access in [Mode::Shared, Mode::ReadOnly] {
        for wait in [Wait::Sleep, Wait::default(), Wait::SpinThenSleep(Duration::from_millis(1))] {
            let (sleeps, busy) = waits(wait, access, 400);
            assert!(sleeps > 0 && busy < Duration::from_millis(100), "{wait:?}, {access:?}: {sleeps}, {busy:?}");
        }
        // In a process with one core, these let others run.
        if has_cores() {
            for wait in [Wait::Spin, Wait::SpinThenSleep(Duration::from_secs(1))] {
                assert!((0..TRIES).any(|_| waits(wait, access, 100).0 == 0), "{wait:?}, {access:?}");
            }
        }
    }
}

#[test]
fn strategies_convert_into_options() {
    let options = ReaderOptions::from(Wait::Spin);
    assert_eq!((options.wait, options.init, options.iter), (Wait::Spin, Init::AwaitNew, Iter::Next));
    assert_eq!(ReaderOptions::from(Init::Oldest).wait, Wait::default());
    assert_eq!(ServerOptions::from(Wait::Sleep).wait, Wait::Sleep);
    assert_eq!(ClientOptions::from(Wait::Sleep).wait, Wait::Sleep);
    assert_eq!(ClientOptions::from(&FileOptions::default().size(4096)).wait, Wait::default());
}

fn has_cores() -> bool {
    thread::available_parallelism().unwrap().get() > 1
}

/// What the kernel says of a thread.
#[derive(Clone, Copy, Debug)]
struct Usage {
    sleeps: u64,
    busy: Duration,
}

impl Usage {
    fn of_this_thread() -> Usage {
        let proc = Path::new("/proc/thread-self");
        let status = fs::read_to_string(proc.join("status")).unwrap();
        let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        let schedstat = fs::read_to_string(proc.join("schedstat")).unwrap();
        let busy = schedstat.split(' ').next().unwrap().parse().unwrap();
        Usage { sleeps: sleeps.trim().parse().unwrap(), busy: Duration::from_nanos(busy) }
    }
}
