//! Streams, futures and file descriptors: tasks are woken, one thread does so for all, and dropping them is safe.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use a0_core::Mem;
use a0_core::layout::header;
use a0_std::{
    Connection, Error, File, FileOptions, Init, Iter, Mode, PrpcClient, PrpcServer, Publisher, ReaderOptions,
    ReaderSync, Request, RpcClient, RpcServer, SubscriberFd, SubscriberStream, Writer,
};
use a0_testkit::private_root::{root, topic};
use a0_testkit::{bare, until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smol::LocalExecutor;
use smol::stream::{Stream, StreamExt};

/// Long enough for a busy machine; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn small() -> FileOptions {
    FileOptions::default().size(1 << 16)
}

fn oldest() -> ReaderOptions {
    ReaderOptions::default().init(Init::Oldest).file(small())
}

/// Runs a future that must come to an end.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let late = async {
        smol::Timer::after(PATIENCE).await;
        panic!("it does not end");
    };
    smol::block_on(smol::future::or(future, late))
}

/// Threads of this process with that name.
fn threads(name: &str) -> usize {
    let names = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        // A thread may end meanwhile.
        fs::read_to_string(task.unwrap().path().join("comm")).ok()
    });
    names.filter(|found| found.trim_end() == name).count()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn is_pending<S: Stream + Unpin>(stream: &mut S, waker: &Waker) -> bool {
    stream.poll_next(&mut Context::from_waker(waker)).is_pending()
}

#[test]
fn one_thread_waits_for_two_hundred_topics() {
    const TOPICS: usize = 200;
    let names: Vec<_> = (0..TOPICS).map(|_| topic()).collect();
    let executor = LocalExecutor::new();
    let (tell, told) = mpsc::channel();
    let publishers: Vec<_> = names.iter().map(|name| Publisher::with_options(name, &small()).unwrap()).collect();
    let tasks: Vec<_> = names
        .iter()
        .map(|name| {
            let mut stream = SubscriberStream::new(name, ReaderOptions::default().file(small())).unwrap();
            let tell = tell.clone();
            executor.spawn(async move {
                for round in 0..3_u32 {
                    tell.send(()).unwrap();
                    let message = stream.next().await.unwrap().unwrap();
                    assert_eq!((message.payload(), message.missed()), (&round.to_le_bytes()[..], 0));
                }
            })
        })
        .collect();
    thread::scope(|scope| {
        let publishers = &publishers;
        scope.spawn(move || {
            for round in 0..3_u32 {
                (0..TOPICS).for_each(|_| told.recv_timeout(PATIENCE).unwrap());
                assert!(threads("a0-tasks") <= 1);
                for publisher in publishers {
                    publisher.publish(round.to_le_bytes()).unwrap();
                }
            }
        });
        block_on(executor.run(async {
            for task in tasks {
                task.await;
            }
        }));
    });
    assert_eq!((threads("a0-tasks"), threads("a0-reader")), (1, 0));
}

#[test]
#[ignore = "a part of another test"]
fn child() {
    let Ok(topic) = std::env::var("A0_TEST_TOPIC") else { return };
    let publisher = Publisher::new(&topic).unwrap();
    for n in 0..100_u32 {
        publisher.publish(n.to_le_bytes()).unwrap();
        thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn another_process_wakes_a_task() {
    let topic = topic();
    let mut stream = SubscriberStream::new(&topic, ()).unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored"])
        .envs([("A0_ROOT", root().to_str().unwrap()), ("A0_TEST_TOPIC", &topic)])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for n in 0..100_u32 {
        assert_eq!(block_on(stream.next()).unwrap().unwrap().payload(), n.to_le_bytes());
    }
    assert!(process.wait().unwrap().success());
}

#[test]
fn every_message_comes_or_is_counted() {
    const COUNT: u64 = 20_000;
    let topic = topic();
    let mut stream = SubscriberStream::new(&topic, oldest()).unwrap();
    let publisher = Publisher::with_options(&topic, &small()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..COUNT {
                publisher.publish([7; 100]).unwrap();
            }
        });
        block_on(async {
            let mut seen = 0;
            while seen < COUNT {
                let message = stream.next().await.unwrap().unwrap();
                seen += 1 + message.missed();
                assert_eq!(message.seq(), seen);
            }
        });
    });
}

#[test]
fn a_dropped_stream_is_told_nothing() {
    let topic = topic();
    let publisher = Publisher::with_options(&topic, &small()).unwrap();
    let (dropped, kept) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let mut first = SubscriberStream::new(&topic, oldest()).unwrap();
    let mut second = SubscriberStream::new(&topic, oldest()).unwrap();
    assert!(is_pending(&mut first, &Arc::clone(&dropped).into()));
    assert!(is_pending(&mut second, &Arc::clone(&kept).into()));
    // Asleep, not polling.
    until(|| publisher.file().header().has_sleepers);
    // The last waker counts.
    let other = Arc::new(Count::default());
    assert!(is_pending(&mut second, &Arc::clone(&other).into()));
    drop(first);
    assert_eq!(Arc::strong_count(&dropped), 1);
    publisher.publish("hello").unwrap();
    until(|| other.get() == 1);
    assert_eq!((dropped.get(), kept.get()), (0, 0));
    // Told once.
    publisher.publish("again").unwrap();
    assert!(!is_pending(&mut second, Waker::noop()));
    assert_eq!(other.get(), 1);
}

/// A task that owns the stream that it waits for, and goes when it is woken, on the helper's own thread.
#[test]
fn a_waker_may_drop_its_stream() {
    struct Owner(std::sync::Mutex<Option<SubscriberStream>>, mpsc::Sender<()>);
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
            self.1.send(()).unwrap();
        }
    }
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let owner = Arc::new(Owner(Some(SubscriberStream::new(&topic, oldest()).unwrap()).into(), tell));
    assert!(is_pending(owner.0.lock().unwrap().as_mut().unwrap(), &Arc::clone(&owner).into()));
    Publisher::new(&topic).unwrap().publish("hello").unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    assert!(owner.0.lock().unwrap().is_none());
}

#[test]
fn topics_that_cannot_be_slept_on_are_polled() {
    let read_only = topic();
    let there = Publisher::new(&read_only).unwrap();
    let file = FileOptions::default().access(Mode::ReadOnly);
    let mut stream = SubscriberStream::new(&read_only, ReaderOptions::default().file(file)).unwrap();
    assert!(is_pending(&mut stream, Waker::noop()));
    there.publish("read-only").unwrap();
    assert_eq!(block_on(stream.next()).unwrap().unwrap().payload(), b"read-only");

    // As if a 0.3 program had been here, whose wake-ups go another way: a silent publish.
    let topic = topic();
    let mut stream = SubscriberStream::new(&topic, (Init::Oldest, Iter::Next)).unwrap();
    let mem = bare(stream.file()).mem();
    mem.store_u32(header::FOREIGN, 1, Ordering::SeqCst);
    let count = Arc::new(Count::default());
    assert!(is_pending(&mut stream, &Arc::clone(&count).into()));
    thread::sleep(Duration::from_millis(50));
    assert!(!stream.file().header().has_sleepers);
    Publisher::new(&topic).unwrap().publish("foreign").unwrap();
    until(|| count.get() == 1);
}

#[test]
fn a_removed_topic_is_left_for_its_successor() {
    let topic = topic();
    let mut stream = SubscriberStream::new(&topic, oldest()).unwrap();
    let late = a0_std::File::open(stream.file().path(), &small()).unwrap();
    // It looks for its file before the first message only.
    let late = a0_std::Writer::new(&late);
    late.write("early").unwrap();
    assert_eq!(block_on(stream.next()).unwrap().unwrap().payload(), b"early");
    fs::remove_file(stream.file().path()).unwrap();
    let end = block_on(stream.next()).unwrap();
    assert!(matches!(end, Err(Error::TopicRemoved { .. })), "{end:?}");
    assert!(is_pending(&mut stream, Waker::noop()));
    // By somebody who has not noticed: nothing of the old file may come between what was told and the new one.
    late.write("late").unwrap();
    assert_eq!(block_on(stream.next()).unwrap().unwrap().payload(), b"late");
    let end = block_on(stream.next()).unwrap();
    assert!(matches!(end, Err(Error::TopicRemoved { .. })), "{end:?}");
    thread::scope(|scope| {
        scope.spawn(|| {
            // Most often, the stream is pending by then.
            thread::sleep(Duration::from_millis(50));
            Publisher::with_options(&topic, &small()).unwrap().publish("first").unwrap();
        });
        assert_eq!(block_on(stream.next()).unwrap().unwrap().payload(), b"first");
    });
}

fn is_readable(subscriber: &SubscriberFd, at_most: Duration) -> bool {
    let at_most = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: at_most.subsec_nanos().into() };
    poll(&mut [PollFd::new(subscriber, PollFlags::IN)], Some(&at_most)).unwrap() == 1
}

#[test]
fn a_descriptor_is_readable_while_there_is_something_to_read() {
    let topic = topic();
    let publisher = Publisher::with_options(&topic, &small()).unwrap();
    let mut subscriber = SubscriberFd::new(&topic, oldest()).unwrap();
    assert!(is_readable(&subscriber, Duration::ZERO));
    for round in 0..50_u32 {
        assert!(subscriber.read().unwrap().is_none());
        assert!(!is_readable(&subscriber, Duration::ZERO));
        publisher.publish(round.to_le_bytes()).unwrap();
        publisher.publish("second").unwrap();
        assert!(is_readable(&subscriber, PATIENCE));
        assert_eq!(subscriber.read().unwrap().unwrap().payload(), round.to_le_bytes());
        // Level-triggered: one is left.
        assert!(is_readable(&subscriber, Duration::ZERO));
        assert_eq!(subscriber.read().unwrap().unwrap().payload(), b"second");
    }
    fs::remove_file(subscriber.file().path()).unwrap();
    while !matches!(subscriber.read(), Err(Error::TopicRemoved { .. })) {
        assert!(is_readable(&subscriber, PATIENCE));
    }
}

#[test]
fn replies_come_as_futures() {
    let topic = topic();
    let _server = RpcServer::new(&topic, |request| request.reply(request.payload()).unwrap(), |_| {}).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    block_on(async {
        let calls: Vec<_> = (0..100_u32).map(|n| client.call_async(n.to_le_bytes(), PATIENCE)).collect();
        for (n, call) in (0..100_u32).zip(calls) {
            let id = *call.id();
            let reply = call.await.unwrap();
            assert_eq!((reply.payload(), reply.header("a0_req_id")), (&n.to_le_bytes()[..], Some(id.as_str())));
        }
        let nul = client.call_async_with(&[("bad\0key", "")], "", None).await;
        assert!(matches!(nul, Err(Error::BadPacket(_))), "{nul:?}");
    });
    assert!(threads("a0-client") >= 1);
}

#[test]
fn calls_end_without_a_reply_as_they_should() {
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let (heard, cancels) = mpsc::channel();
    let server = RpcServer::new(
        &topic,
        move |request: Request| tell.send(*request.id()).unwrap(),
        move |id| heard.send(id).unwrap(),
    )
    .unwrap();
    let client = RpcClient::new(&topic).unwrap();

    let late = block_on(client.call_async("", Duration::from_millis(20)));
    assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
    told.recv_timeout(PATIENCE).unwrap();
    cancels.recv_timeout(PATIENCE).unwrap();

    // Dropped while it waits, also before it was polled at all.
    for polls in 0..2 {
        let count = Arc::new(Count::default());
        let mut call = client.call_async("", None);
        let id = *call.id();
        for _ in 0..polls {
            let waker = Arc::clone(&count).into();
            assert!(pin!(&mut call).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), id);
        drop(call);
        assert_eq!(cancels.recv_timeout(PATIENCE).unwrap(), id);
        assert_eq!((Arc::strong_count(&count), count.get()), (1, 0));
    }

    let cancelled = client.call_async("", None);
    client.cancel(cancelled.id()).unwrap();
    let end = block_on(cancelled);
    assert!(matches!(end, Err(Error::Cancelled { .. })), "{end:?}");

    let orphan = client.call_async("", None);
    drop(client);
    let end = block_on(orphan);
    assert!(matches!(end, Err(Error::Cancelled { .. })), "{end:?}");

    let client = RpcClient::new(&topic).unwrap();
    while told.try_recv().is_ok() {}
    let call = client.call_async("", None);
    told.recv_timeout(PATIENCE).unwrap();
    drop(server);
    let end = block_on(call);
    assert!(matches!(end, Err(Error::ServerGone { .. })), "{end:?}");
}

#[test]
fn answers_come_as_streams() {
    let topic = topic();
    let (heard, cancels) = mpsc::channel();
    let handler = |connection: Connection| {
        connection.send("one", false).unwrap();
        if connection.payload() != b"endless" {
            connection.send("two", true).unwrap();
        }
    };
    let _server = PrpcServer::new(&topic, handler, move |id| heard.send(id).unwrap()).unwrap();
    let client = PrpcClient::new(&topic).unwrap();
    let mut stream = client.stream_async("", PATIENCE);
    block_on(async {
        let (one, two) = (stream.next().await.unwrap().unwrap(), stream.next().await.unwrap().unwrap());
        assert_eq!((one.payload(), one.done(), two.payload(), two.done()), (&b"one"[..], false, &b"two"[..], true));
        assert!(stream.next().await.is_none() && stream.next().await.is_none());
    });
    drop(stream);

    let mut stream = client.stream_async("endless", None);
    assert!(block_on(stream.next()).unwrap().is_ok());
    let id = *stream.id();
    drop(stream);
    assert_eq!(cancels.recv_timeout(PATIENCE).unwrap(), id);
    assert!(cancels.try_recv().is_err());

    let mut stream = client.stream_async("endless", Duration::from_secs(1));
    assert!(block_on(stream.next()).unwrap().is_ok());
    let end = block_on(stream.next()).unwrap();
    assert!(matches!(end, Err(Error::Timeout { .. })), "{end:?}");
    assert!(matches!(stream.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
}

#[test]
fn tasks_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let topic = topic();
    is_send(&SubscriberStream::new(&topic, oldest()).unwrap());
    is_send(&SubscriberFd::new(&topic, oldest()).unwrap());
    is_send(&RpcClient::new(&topic).unwrap().call_async("", None));
}

/// A topic that another thread keeps locked until this is dropped.
fn kept_locked(file: &File) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (lock, locked) = mpsc::channel();
    let file = file.clone();
    thread::spawn(move || {
        let writer = Writer::new(&file);
        let loan = writer.loan(8).unwrap();
        lock.send(()).unwrap();
        released.recv_timeout(2 * PATIENCE).ok();
        drop(loan);
    });
    locked.recv().unwrap();
    release
}

#[test]
fn calls_never_keep_a_task_waiting_for_the_lock() {
    let topic = topic();
    let options = FileOptions::default().size(1 << 16).lock_timeout(3 * PATIENCE);
    let client = RpcClient::with_options(&topic, &options).unwrap();
    let handler = |request: Request| {
        if !request.payload().is_empty() {
            request.reply(request.payload()).unwrap();
        }
    };
    let server = RpcServer::new(&topic, handler, |_| {});
    let dropped = client.call_async("", None);
    let release = kept_locked(client.file());
    let started = std::time::Instant::now();
    drop(dropped);
    let limited = client.call_async("limited", Duration::from_millis(50));
    let calls: Vec<_> = (0..3).map(|n| client.call_async(format!("{n}"), None)).collect();
    drop(client.call_async("", None));
    assert!(matches!(block_on(limited), Err(Error::Timeout { .. })));
    assert!(started.elapsed() < PATIENCE);
    drop(release);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(block_on(call).unwrap().payload(), n.to_string().as_bytes());
    }
    drop(server);
    // The one that was limited, and the one that was dropped, were not sent.
    let mut reader = ReaderSync::new(client.file(), Init::Oldest).unwrap();
    let mut requests = 0;
    while let Some(message) = reader.read().unwrap() {
        requests += usize::from(message.header("a0_rpc_type") == Some("request"));
    }
    assert_eq!(requests, 4);
}

/// The client's thread may be waiting for the lock to send it.
#[test]
fn a_call_that_is_dropped_while_it_is_being_sent_is_cancelled() {
    let client = RpcClient::with_options(&topic(), &small()).unwrap();
    let file = client.file().clone();
    let release = kept_locked(&file);
    let call = client.call_async("", None);
    thread::sleep(Duration::from_millis(100));
    drop(call);
    drop(release);
    drop(client);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let mut types = vec![];
    while let Some(message) = reader.read().unwrap() {
        types.extend(message.header("a0_rpc_type").map(str::to_owned));
    }
    assert!(types.is_empty() || types == ["request", "cancel"], "{types:?}");
}

#[test]
fn polls_never_wait_for_the_lock_and_are_told_later() {
    let file = File::open(topic(), &small().lock_timeout(3 * PATIENCE)).unwrap();
    let writer = Writer::new(&file);
    writer.write("one").unwrap();
    writer.write("two").unwrap();
    let mut stream = SubscriberStream::from_file(&file, Init::Oldest).unwrap();
    let mut event = SubscriberFd::from_file(&file, Init::Oldest).unwrap();
    let release = kept_locked(&file);
    a0_testkit::private_root::spoil(&file);
    let started = std::time::Instant::now();
    for _ in 0..3 {
        assert!(pin!(stream.next()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(event.read().unwrap().is_none());
    }
    assert!(started.elapsed() < PATIENCE);
    drop(release);
    assert!(matches!(block_on(stream.next()), Some(Err(Error::Topic { .. }))));
    assert_eq!(block_on(stream.next()).unwrap().unwrap().payload(), b"two");
}

#[test]
fn answers_that_are_not_taken_are_kept_up_to_the_size_of_the_topic() {
    const MANY: usize = 2000;
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let handler = move |connection: Connection| {
        let mut sent = 0;
        while sent < MANY && !connection.is_cancelled() {
            connection.send([0; 1000], false).unwrap();
            sent += 1;
            // The client's thread is not to be overtaken.
            thread::sleep(Duration::from_millis(1));
        }
        tell.send(sent).unwrap();
    };
    let options = small();
    let server_options = a0_std::ServerOptions::default().file(options.clone());
    let _server = PrpcServer::with_options(&topic, server_options, handler, |_| {}).unwrap();
    let client = PrpcClient::with_options(&topic, &options).unwrap();
    let stream = client.stream_async("", None);
    assert!(told.recv_timeout(PATIENCE).unwrap() < MANY);
    let answers: Vec<_> = block_on(stream.collect());
    let (last, kept) = answers.split_last().unwrap();
    assert!(matches!(last, Err(Error::ReplyLost { .. })), "{last:?}");
    assert!(kept.len() * 1000 < 1 << 16 && kept.iter().all(|answer| answer.is_ok()));
}

#[test]
fn streams_let_other_tasks_run_while_messages_are_there() {
    let mut stream = SubscriberStream::new(&topic(), oldest()).unwrap();
    let writer = Writer::new(stream.file());
    for _ in 0..200 {
        writer.write("").unwrap();
    }
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    assert!((0..200).any(|_| is_pending(&mut stream, &waker)));
    // To be asked again at once.
    assert_eq!(count.get(), 1);
    assert!(!is_pending(&mut stream, &waker));
}
