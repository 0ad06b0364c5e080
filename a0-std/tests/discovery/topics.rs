//! Topics by name, with a thread that calls back.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use a0_std::{DiscoveredTopic, Discovery, DiscoveryEvent, Error, Protocol, Publisher};

use super::{PATIENCE, QUIET, create, dir, discover, found, truth};

fn collect<T: Send + 'static>(
    start: impl FnOnce(Box<dyn FnMut(DiscoveryEvent<T>) + Send>) -> Result<Discovery, Error>,
) -> (Discovery, Receiver<DiscoveryEvent<T>>) {
    let (sender, receiver) = channel();
    let discovery = start(Box::new(move |event| drop(sender.send(event)))).unwrap();
    (discovery, receiver)
}

#[test]
fn topics_by_name() {
    let root = a0_testkit::private_root::root();
    let family = a0_testkit::private_root::topic();
    let topic = |protocol: Protocol, name: &str| {
        let name = format!("{family}/{name}");
        DiscoveredTopic::new(protocol, &name, protocol.path(&name).unwrap())
    };
    create(topic(Protocol::Rpc, "server").path);
    create(root.join(&family).join("unknown.a0"));
    let (_all, all) = collect(|callback| Discovery::topics(Protocol::ALL, &format!("{family}/**"), callback));
    let (_flat, flat) = collect(|callback| Discovery::topics(Protocol::PubSub, &format!("{family}/*"), callback));
    let next = |events: &Receiver<_>| events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::Rpc, "server")));
    let _news = Publisher::new(&format!("{family}/news")).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::PubSub, "news")));
    assert_eq!(next(&flat), DiscoveryEvent::Found(topic(Protocol::PubSub, "news")));
    let _left = Publisher::new(&format!("{family}/front/left")).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::PubSub, "front/left")));
    create(topic(Protocol::Deadman, "alive").path);
    assert_eq!(next(&all), DiscoveryEvent::Found(topic(Protocol::Deadman, "alive")));
    fs::remove_file(topic(Protocol::PubSub, "news").path).unwrap();
    assert_eq!(next(&all), DiscoveryEvent::Removed(topic(Protocol::PubSub, "news")));
    assert_eq!(next(&flat), DiscoveryEvent::Removed(topic(Protocol::PubSub, "news")));
    assert!(all.recv_timeout(QUIET).is_err() && flat.try_recv().is_err());
}

/// Many threads of many processes that create topics at once: each topic is announced once, no temporary ever.
#[test]
fn topics_that_are_created_at_once() {
    a0_testkit::private_root::root();
    let family = a0_testkit::private_root::topic();
    let (_discovery, events) =
        collect(|callback| Discovery::topics(Protocol::PubSub, &format!("{family}/**"), callback));
    let options = a0_std::FileOptions::default().size(4096);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (family, options) = (&family, &options);
            scope.spawn(move || {
                for at in 0..100 {
                    let name = format!("{family}/{}/{}", at % 10, (at * 7 + thread) % 100);
                    Publisher::with_options(&name, options).unwrap();
                }
            });
        }
    });
    let mut counts = BTreeMap::new();
    let expected = truth(&a0_testkit::private_root::root().join(&family)).len();
    while counts.len() < expected {
        match events.recv_timeout(PATIENCE).unwrap() {
            DiscoveryEvent::Found(topic) => *counts.entry(topic.name).or_insert(0) += 1,
            DiscoveryEvent::Removed(topic) => panic!("{topic:?} was not removed"),
        }
    }
    assert!(events.recv_timeout(QUIET).is_err());
    assert!(counts.values().all(|count| *count == 1));
}

#[test]
fn waiting_ends() {
    let dir = dir();
    let mut discovery = discover(&dir, "*");
    assert!(matches!(discovery.read_blocking(Duration::ZERO), Err(Error::Timeout { .. })));
    let interrupter = discovery.interrupter();
    let waiter = thread::spawn(move || (discovery.read_blocking(None), discovery.read_blocking(None)));
    interrupter.interrupt();
    let (first, second) = waiter.join().unwrap();
    assert!(matches!(first, Err(Error::Interrupted { .. })) && matches!(second, Err(Error::Interrupted { .. })));
}

#[test]
fn a_callback_that_panics_is_called_again() {
    let dir = dir();
    let (sender, events) = channel();
    let _discovery = Discovery::new(dir.path().join("*"), move |event| {
        sender.send(event).unwrap();
        panic!("this is meant to panic");
    })
    .unwrap();
    for name in ["x", "y"] {
        let path = create(dir.path().join(name));
        assert_eq!(events.recv_timeout(PATIENCE).unwrap(), found(path));
    }
}

#[test]
fn dropping_ends_the_thread_and_works_inside_the_callback() {
    let dir = dir();
    let path = create(dir.path().join("x"));
    let (alive, dead) = channel::<()>();
    let discovery = Discovery::new(dir.path().join("*"), move |_| {
        let _moved_here = &alive;
    });
    drop(discovery.unwrap());
    // The callback is gone, and the thread with it.
    assert!(dead.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Disconnected));

    let (hand_over, own) = channel::<Discovery>();
    let (sender, events) = channel();
    let discovery = Discovery::new(dir.path().join("*"), move |event| {
        drop(own.recv().unwrap());
        sender.send(event).unwrap();
    });
    hand_over.send(discovery.unwrap()).unwrap();
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), found(path));
    assert!(events.recv_timeout(PATIENCE).is_err(), "the thread has ended");
}
