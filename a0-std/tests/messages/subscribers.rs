//! Threads, closing, waiting, waking.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use a0_std::{
    Error, File, FileOptions, Init, Iter, Message, Mode, Publisher, Reader, ReaderOptions, ReaderSync, ReaderZeroCopy,
    Subscriber, SubscriberSync, SubscriberSyncZeroCopy, SubscriberZeroCopy, Wait, Writer,
};
use a0_testkit::bare;
use a0_testkit::private_root::{file, root, text, topic, write};

const LONG: Duration = Duration::from_secs(5);

#[test]
fn a_closed_subscriber_hears_nothing_more() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let (tell, told) = channel();
    let subscriber = Subscriber::new(&topic, (), move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        tell.send(()).unwrap();
    })
    .unwrap();
    publisher.publish("one").unwrap();
    told.recv_timeout(LONG).unwrap();
    subscriber.close();
    publisher.publish("two").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn an_idle_subscriber_closes_at_once() {
    let topic = topic();
    for _ in 0..20 {
        let subscriber = Subscriber::new(&topic, (), |_| {}).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        let started = Instant::now();
        drop(subscriber);
        assert!(started.elapsed() < LONG);
    }
}

#[test]
fn a_subscriber_can_be_dropped_from_inside_its_callback() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let slot: Arc<Mutex<Option<Subscriber>>> = Arc::default();
    let (tell, told) = channel();
    let mine = Arc::clone(&slot);
    let subscriber = Subscriber::new(&topic, (), move |message| {
        drop(mine.lock().unwrap().take());
        tell.send(text(&message)).unwrap();
    })
    .unwrap();
    *slot.lock().unwrap() = Some(subscriber);
    publisher.publish("last").unwrap();
    publisher.publish("too late").unwrap();
    assert_eq!(told.recv_timeout(LONG).unwrap(), "last");
    assert!(told.recv_timeout(LONG).is_err(), "the callback and its sender are gone");
}

#[test]
fn a_callback_may_publish_on_its_own_topic() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let echo = Publisher::new(&topic).unwrap();
    let (tell, told) = channel();
    let _subscriber = Subscriber::new(&topic, (), move |message| {
        let n: u32 = text(&message).parse().unwrap();
        tell.send(n).unwrap();
        if n < 10 {
            echo.publish((n + 1).to_string()).unwrap();
        }
    })
    .unwrap();
    publisher.publish("1").unwrap();
    let seen: Vec<u32> = (0..10).map(|_| told.recv_timeout(LONG).unwrap()).collect();
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_callback_that_panics_is_called_again() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let (tell, told) = channel();
    let callback = move |message: Message<'_>| {
        tell.send(text(&message)).unwrap();
        assert_ne!(message.payload(), b"bad", "this is meant to panic");
    };
    let _subscriber = Subscriber::new(&topic, (), callback.clone()).unwrap();
    let _in_place = SubscriberZeroCopy::new(&topic, (), callback).unwrap();
    for payload in ["bad", "good"] {
        publisher.publish(payload).unwrap();
        assert_eq!([(); 2].map(|()| told.recv_timeout(LONG).unwrap()), [payload; 2]);
    }
}

#[test]
fn in_place_reading_holds_the_lock() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let other = Publisher::new(&a0_testkit::private_root::topic()).unwrap();
    let same = Publisher::new(&topic).unwrap();
    let (tell, told) = channel();
    let _subscriber = SubscriberZeroCopy::new(&topic, (), move |message| {
        // Another topic is fine; this one is locked, and says so instead of deadlocking.
        other.publish("fine").unwrap();
        tell.send((text(&message), same.publish("not fine").map_err(|e| e.to_string()))).unwrap();
    })
    .unwrap();
    publisher.publish("one").unwrap();
    let (payload, inner) = told.recv_timeout(LONG).unwrap();
    assert_eq!(payload, "one");
    assert!(inner.unwrap_err().contains("already locked"));
    publisher.publish("two").unwrap();
    assert_eq!(told.recv_timeout(LONG).unwrap().0, "two");
}

#[test]
fn in_place_synchronously() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let mut subscriber = SubscriberSyncZeroCopy::new(&topic, ()).unwrap();
    assert_eq!(subscriber.read(|m| text(&m)).unwrap(), None);
    publisher.publish("one").unwrap();
    assert!(subscriber.can_read().unwrap());
    assert_eq!(subscriber.read(|m| text(&m)).unwrap().as_deref(), Some("one"));
    publisher.publish("two").unwrap();
    assert_eq!(subscriber.read_blocking(LONG, |m| (text(&m), m.seq())).unwrap(), ("two".to_owned(), 2));
    assert!(matches!(subscriber.read_blocking(Duration::from_millis(5), |_| ()), Err(Error::Timeout { .. })));
}

#[test]
fn blocked_reads_end_in_time() {
    let mut subscriber = SubscriberSync::new(&topic(), ()).unwrap();
    let started = Instant::now();
    let error = subscriber.read_blocking(Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(matches!(subscriber.read_blocking(Duration::ZERO), Err(Error::Timeout { .. })));
}

#[test]
fn blocked_reads_can_be_interrupted() {
    let topic = topic();
    let mut subscriber = SubscriberSync::new(&topic, ()).unwrap();
    let interrupter = subscriber.interrupter();
    let reader = std::thread::spawn(move || subscriber.read_blocking(None).map(|_| ()).unwrap_err());
    std::thread::sleep(Duration::from_millis(30));
    interrupter.interrupt();
    assert!(matches!(reader.join().unwrap(), Error::Interrupted { .. }));
}

#[test]
fn blocked_threads_are_woken_by_every_publish() {
    let (there, back) = (topic(), topic());
    let mut answers = SubscriberSync::new(&back, ()).unwrap();
    let mut questions = SubscriberSync::new(&there, ()).unwrap();
    let answerer = std::thread::spawn(move || {
        let publisher = Publisher::new(&back).unwrap();
        for i in 0..500 {
            let question = questions.read_blocking(LONG).unwrap();
            if i % 2 == 0 {
                // Long enough for the other side to fall asleep.
                std::thread::sleep(Duration::from_micros(50));
            }
            publisher.publish(question.payload()).unwrap();
        }
    });
    let publisher = Publisher::new(&there).unwrap();
    let mut times = vec![];
    for i in 0..500 {
        let sent = Instant::now();
        publisher.publish(i.to_string()).unwrap();
        assert_eq!(text(&answers.read_blocking(LONG).unwrap()), i.to_string());
        times.push(sent.elapsed());
    }
    answerer.join().unwrap();
    // Who misses a wake-up looks again after 20 ms. Where wake-ups come, at least a part of them is quicker.
    times.sort();
    assert!(times[125] < Duration::from_millis(15), "{times:?}");
}

#[test]
fn read_only_subscribers_see_everything_and_write_nothing() {
    let file = file(1 << 16);
    let path = file.path().to_owned();
    write(&file, &["0"]);
    let before = std::fs::read(&path).unwrap();
    let options = FileOptions::default().access(Mode::ReadOnly);
    let read_only = File::open(&path, &options).unwrap();
    let mut reader = ReaderSync::new(&read_only, Init::Oldest).unwrap();
    assert_eq!(text(&reader.read().unwrap().unwrap()), "0");
    assert!(matches!(reader.read_blocking(Duration::from_millis(20)), Err(Error::Timeout { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(Writer::new(&read_only).write("no").unwrap_err().to_string().contains("read-only"));
    assert!(ReaderZeroCopy::new(&read_only, (), |_| {}).unwrap_err().to_string().contains("read-only"));
    let blocked = std::thread::spawn(move || text(&reader.read_blocking(LONG).unwrap()));
    write(&file, &["1"]);
    assert_eq!(blocked.join().unwrap(), "1");
    let reader = ReaderSync::new(&read_only, ()).unwrap();
    let interrupter = reader.interrupter();
    let blocked = std::thread::spawn(move || {
        let mut reader = reader;
        reader.read_blocking(None).map(|_| ()).unwrap_err()
    });
    interrupter.interrupt();
    assert!(matches!(blocked.join().unwrap(), Error::Interrupted { .. }));
}

#[test]
fn exclusive_files_cannot_block() {
    root();
    let file = File::open(topic(), &FileOptions::default().size(4096).access(Mode::Exclusive)).unwrap();
    write(&file, &["0"]);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    assert_eq!(text(&reader.read_blocking(LONG).unwrap()), "0");
    assert!(reader.read_blocking(LONG).unwrap_err().to_string().contains("blocking is not possible"));
    assert!(Reader::new(&file, (), |_| {}).unwrap_err().to_string().contains("blocking is not possible"));
}

#[test]
fn messages_that_are_no_packets_are_reported_and_skipped() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let (tell, told) = channel();
    let subscriber = Subscriber::with_errors(&topic, Init::Oldest, move |message| {
        tell.send(message.map(|m| text(&m)).map_err(|e| e.to_string())).unwrap();
    })
    .unwrap();
    bare(publisher.file()).lock(None).unwrap().push(b"no packet").unwrap();
    publisher.publish("a packet").unwrap();
    let error = told.recv_timeout(LONG).unwrap().unwrap_err();
    assert!(error.contains("message 1 is not a valid packet"), "{error}");
    assert_eq!(told.recv_timeout(LONG).unwrap().unwrap(), "a packet");
    assert_eq!(subscriber.skipped(), 1);
}

#[test]
fn many_threads_lose_nothing() {
    let topic = topic();
    let publisher = Arc::new(Publisher::new(&topic).unwrap());
    let mut reader = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    let threads: Vec<_> = (0..10)
        .map(|n| {
            let publisher = Arc::clone(&publisher);
            std::thread::spawn(move || {
                for i in 0..500 {
                    publisher.publish(format!("{n} {i}")).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut next = [0; 10];
    for seq in 1..=5000 {
        let message = reader.read().unwrap().unwrap();
        let payload = text(&message);
        let (n, i) = payload.split_once(' ').unwrap();
        let n: usize = n.parse().unwrap();
        assert_eq!((i.parse::<u32>().unwrap(), message.seq(), message.missed()), (next[n], seq, 0));
        next[n] += 1;
    }
    assert!(reader.read().unwrap().is_none());
}

#[test]
fn handles_can_move_between_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<(Publisher, Subscriber, SubscriberSync, SubscriberZeroCopy, SubscriberSyncZeroCopy, Writer, File)>();
    sync::<(Publisher, Subscriber, SubscriberZeroCopy, Writer, File)>();
    let _ = (ReaderOptions::from(Iter::Newest), ReaderOptions::from((Init::Oldest, Iter::Next)));
}

#[test]
fn a_batch_hands_out_what_single_reads_would() {
    let file = file(1 << 16);
    let writer = Writer::new(&file);
    let reader = || ReaderSync::new(&file, Init::Oldest).unwrap();
    let (mut single, mut batched, mut waiting) = (reader(), reader(), reader());
    // Enough to lap the readers now and then; the large ones are read alone, and one is no packet.
    for round in 0..60_usize {
        for message in 0..round {
            let size = if message % 7 == 3 { 5000 } else { message };
            writer.write(vec![message as u8; size]).unwrap();
            if message == 20 {
                bare(&file).lock(None).unwrap().push(b"no packet").unwrap();
            }
        }
        let mut expected = Vec::new();
        loop {
            match single.read() {
                Ok(None) => break,
                Ok(Some(message)) => expected.push((message.seq(), message.missed(), Some(message.payload().to_vec()))),
                Err(Error::BadMessage { seq, missed, .. }) => expected.push((seq, missed, None)),
                Err(other) => panic!("{other}"),
            }
        }
        let taken = |message: Result<Message<'_>, Error>| match message {
            Ok(message) => (message.seq(), message.missed(), Some(message.payload().to_vec())),
            Err(Error::BadMessage { seq, missed, .. }) => (seq, missed, None),
            Err(other) => panic!("{other}"),
        };
        let mut got = Vec::new();
        while batched.read_batch(|message| got.push(taken(message))).unwrap() > 0 {}
        assert_eq!(got, expected, "round {round}");
        got.clear();
        let end = loop {
            match waiting.read_batch_blocking(Duration::ZERO, |message| got.push(taken(message))) {
                Ok(count) => assert!(count > 0),
                Err(error) => break error,
            }
        };
        assert!(matches!(end, Error::Timeout { .. }), "{end}");
        assert_eq!(got, expected, "round {round}");
    }
}

#[test]
fn a_batch_is_waited_for() {
    for wait in [Wait::Spin, Wait::default(), Wait::Sleep] {
        let file = file(1 << 16);
        let options = ReaderOptions::default().wait(wait);
        let mut reader = ReaderSync::new(&file, options).unwrap();
        let timed_out = reader.read_batch_blocking(Duration::from_millis(1), |_| unreachable!()).unwrap_err();
        assert!(matches!(timed_out, Error::Timeout { waited, .. } if waited >= Duration::from_millis(1)));
        let (interrupter, writer) = (reader.interrupter(), Writer::new(&file));
        let publisher = std::thread::spawn(move || {
            for n in 0..100_u8 {
                writer.write([n]).unwrap();
            }
        });
        let mut got = Vec::new();
        while got.len() < 100 {
            reader.read_batch_blocking(LONG, |message| got.push(message.unwrap().payload()[0])).unwrap();
        }
        publisher.join().unwrap();
        assert!(got.into_iter().eq(0..100));
        interrupter.interrupt();
        let interrupted = reader.read_batch_blocking(None, |_| unreachable!()).unwrap_err();
        assert!(matches!(interrupted, Error::Interrupted { .. }), "{wait:?}: {interrupted}");
    }
}
