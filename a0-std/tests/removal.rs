//! A topic's file is removed or shortened while programs have it open: they find out.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use a0_std::{
    Error, File, FileError, FileOptions, Init, Iter, Level, LogListenerSync, Logger, Mode, Protocol, Publisher, Reader,
    ReaderOptions, ReaderSync, ReaderSyncZeroCopy, RpcClient, RpcServer, Subscriber, SubscriberSync,
    SubscriberZeroCopy, TracingLayer, Writer, keys,
};
use a0_testkit::private_root::{file, text, topic, write};
use a0_testkit::until;

const LONG: Duration = Duration::from_secs(20);

/// Removal is noticed every 100 ms; this is for busy machines.
const SOON: Duration = Duration::from_secs(5);

fn is_removed<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::TopicRemoved { .. }))
}

fn not_reopening(topic: &str) -> Publisher {
    Publisher::with_options(topic, &FileOptions::default().reopen(false)).unwrap()
}

/// What a newcomer finds.
fn found(topic: &str) -> Vec<(String, Option<u64>)> {
    let Ok(mut reader) =
        SubscriberSync::new(topic, ReaderOptions::from(Init::Oldest).file(FileOptions::default().create(false)))
    else {
        return vec![];
    };
    let mut all = vec![];
    while let Ok(Some(message)) = reader.read() {
        all.push((text(&message), message.header(keys::WRITER_SEQ).and_then(|seq| seq.parse().ok())));
    }
    all
}

#[test]
fn publishers_come_back() {
    let topic = topic();
    let publisher = Publisher::with_options(&topic, &FileOptions::default().size(1 << 16)).unwrap();
    let mut seq = 0;
    let mut publish = |n: usize| {
        seq += 1;
        match n % 3 {
            0 => publisher.publish("x").unwrap(),
            1 => publisher.publish_with(&[("k", "v")], "x").unwrap(),
            _ => {
                let mut loan = publisher.loan(1).unwrap();
                loan.write_at(0, b"x");
                loan.commit()
            }
        };
        seq - 1
    };
    publish(0);
    for n in 0..16 {
        assert!(File::remove(publisher.file().path()).unwrap());
        // What it publishes before it has noticed is lost to newcomers, and nothing else is.
        until(|| {
            let last = publish(n);
            let found = found(&topic);
            assert!(found.len() <= 1);
            found.first().is_some_and(|(text, writer_seq)| text == "x" && *writer_seq == Some(last))
        });
        assert_eq!(publisher.file().size(), 1 << 16);
    }
    assert!(File::remove(publisher.file().path()).unwrap());
    until(|| is_removed(&publisher.publish("once too often")));
    assert!(found(&topic).is_empty());
}

#[test]
fn all_threads_of_a_publisher_come_back() {
    let topic = topic();
    let publisher = Publisher::with_options(&topic, &FileOptions::default().size(1 << 16)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    publisher.publish("x").unwrap();
                    let mut loan = publisher.loan(1).unwrap();
                    loan.write_at(0, b"x");
                    loan.commit();
                }
            });
        }
        let removed = std::panic::catch_unwind(|| {
            for _ in 0..8 {
                assert!(File::remove(publisher.file().path()).unwrap());
                until(|| !found(&topic).is_empty());
            }
        });
        done.store(true, SeqCst);
        removed.unwrap();
    });
}

/// Also those that wait for the lock of the old file; and it can go on with another one a few times only.
#[test]
fn threads_that_find_out_together_come_back_together() {
    const THREADS: usize = 64;
    let publisher = Publisher::with_options(&topic(), &FileOptions::default().size(1 << 16)).unwrap();
    let file = publisher.file().clone();
    let writer = Writer::new(&file);
    let loan = writer.loan(1).unwrap();
    assert!(File::remove(file.path()).unwrap());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| publisher.publish("x"))).collect();
        std::thread::sleep(Duration::from_millis(100));
        drop(loan);
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
    });
    assert_eq!(publisher.file().state().unwrap().seq_high, THREADS as u64);
}

#[test]
fn loggers_and_log_sinks_come_back() {
    use tracing_subscriber::layer::SubscriberExt;

    let topics = [topic(), topic()];
    let logger = Logger::new(&topics[0]).unwrap();
    let layer = TracingLayer::new(Logger::new(&topics[1]).unwrap());
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    for topic in &topics {
        assert!(File::remove(Protocol::Log.path(topic).unwrap()).unwrap());
    }
    for (n, topic) in topics.iter().enumerate() {
        until(|| {
            match n {
                0 => drop(logger.warn("after").unwrap()),
                _ => tracing::warn!("after"),
            }
            let path = Protocol::Log.path(topic).unwrap();
            let Ok(file) = File::open(path, &FileOptions::default().create(false)) else { return false };
            let mut listener = LogListenerSync::from_file(&file, Level::Dbg, Init::Oldest).unwrap();
            listener.read().unwrap().is_some_and(|message| message.text() == "after")
        });
    }
}

#[test]
fn publishers_that_are_not_to_come_back_are_told() {
    let topic = topic();
    let publisher = not_reopening(&topic);
    publisher.publish("before").unwrap();
    assert!(File::remove(publisher.file().path()).unwrap());
    let started = Instant::now();
    let error = loop {
        match publisher.publish("unseen") {
            Ok(_) => assert!(started.elapsed() < SOON, "it never notices"),
            Err(error) => break error,
        }
    };
    assert!(is_removed(&Err::<(), _>(error)));
    // And it stays so, with nothing written.
    let newest = publisher.file().state().unwrap().seq_high;
    assert!((0..3).all(|_| is_removed(&publisher.publish("refused"))));
    assert!(is_removed(&publisher.publish_with(&[("k", &"v".repeat(1000))], "refused")));
    assert_eq!(publisher.file().state().unwrap().seq_high, newest);

    let publisher = Publisher::new(&topic).unwrap();
    assert_eq!(publisher.publish("after").unwrap().seq, 1);
}

#[test]
fn the_error_says_which_file_and_what_to_do() {
    let publisher = not_reopening(&topic());
    assert!(File::remove(publisher.file().path()).unwrap());
    let error = publisher.publish("x").unwrap_err().to_string();
    assert!(
        error.starts_with(publisher.file().path().to_str().unwrap()) && error.ends_with("open it again"),
        "{error}"
    );
}

#[test]
fn writers_without_a_clock_look_now_and_then() {
    let file = file(1 << 16);
    write(&file, &["before"]);
    assert!(File::remove(file.path()).unwrap());
    let writer = Writer::new(&file);
    let written = (0..2000).take_while(|_| writer.write("unseen").is_ok()).count();
    assert_eq!(written, 1023);
    assert!(is_removed(&writer.write("refused")));
}

#[test]
fn blocked_reads_end() {
    for mode in [Mode::Shared, Mode::ReadOnly] {
        let file = file(1 << 16);
        write(&file, &["before"]);
        let file = File::open(file.path(), &FileOptions::default().access(mode)).unwrap();
        let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
        let blocked = std::thread::spawn(move || {
            let first = text(&reader.read_blocking(LONG).unwrap());
            let results = [(); 2].map(|()| is_removed(&reader.read_blocking(None)));
            (first, results)
        });
        assert!(File::remove(file.path()).unwrap());
        until(|| blocked.is_finished());
        assert_eq!(blocked.join().unwrap(), ("before".to_owned(), [true, true]), "{mode:?}");
    }
    let file = file(1 << 16);
    let mut reader = ReaderSyncZeroCopy::new(&file, ()).unwrap();
    assert!(File::remove(file.path()).unwrap());
    assert!(is_removed(&reader.read_blocking(LONG, |_| ())));
}

#[test]
fn short_waits_in_a_loop_find_out_too() {
    let topic = topic();
    let mut subscriber = SubscriberSync::new(&topic, ()).unwrap();
    assert!(File::remove(subscriber.file().path()).unwrap());
    let started = Instant::now();
    until(|| is_removed(&subscriber.read_blocking(Duration::from_millis(2))));
    assert!(started.elapsed() < SOON);
}

#[test]
fn what_was_published_is_read_before_the_removal_is_told() {
    let file = file(1 << 16);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    write(&file, &["0", "1", "2"]);
    assert!(File::remove(file.path()).unwrap());
    for expected in ["0", "1", "2"] {
        assert_eq!(text(&reader.read_blocking(LONG).unwrap()), expected);
    }
    assert!(is_removed(&reader.read_blocking(LONG)));
}

#[test]
fn threaded_subscribers_are_told_once_and_follow() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let (tell, told) = channel();
    let subscriber = Subscriber::with_errors(&topic, (), move |message| {
        let _ = tell.send(message.map(|message| text(&message)).map_err(|error| is_removed(&Err::<(), _>(error))));
    })
    .unwrap();
    for round in 0..3 {
        // Of the first file only what comes after the subscription, of the others everything.
        let publisher = if round == 0 { &publisher } else { &Publisher::new(&topic).unwrap() };
        publisher.publish(format!("{round} a")).unwrap();
        publisher.publish(format!("{round} b")).unwrap();
        assert_eq!(told.recv_timeout(SOON).unwrap(), Ok(format!("{round} a")));
        assert_eq!(told.recv_timeout(SOON).unwrap(), Ok(format!("{round} b")));
        assert!(File::remove(publisher.file().path()).unwrap());
        assert_eq!(told.recv_timeout(SOON).unwrap(), Err(true));
        assert!(told.recv_timeout(Duration::from_millis(400)).is_err(), "told more than once");
        assert!(!publisher.file().path().exists(), "a subscriber does not bring a removed topic back");
        // By somebody who has not noticed: nothing of the old file may come between what was told and the new one.
        write(publisher.file(), &["late"]);
        assert_eq!(told.recv_timeout(SOON).unwrap(), Ok("late".to_owned()));
        assert_eq!(told.recv_timeout(SOON).unwrap(), Err(true));
    }
    assert_eq!(subscriber.skipped(), 0);
    let started = Instant::now();
    drop(subscriber);
    assert!(started.elapsed() < SOON);
}

#[test]
fn every_kind_of_threaded_reader_follows() {
    let topics = [topic(), topic(), topic()];
    let files = topics.each_ref().map(|topic| Publisher::new(topic).unwrap().file().clone());
    let (tell, told) = channel();
    let [tell0, tell1, tell2] = [tell.clone(), tell.clone(), tell];
    let _zero_copy = SubscriberZeroCopy::new(&topics[0], (), move |m| tell0.send((0, text(&m))).unwrap()).unwrap();
    let _newest = Subscriber::new(&topics[1], Iter::Newest, move |m| tell1.send((1, text(&m))).unwrap()).unwrap();
    let read_only = File::open(files[2].path(), &FileOptions::default().access(Mode::ReadOnly)).unwrap();
    let _read_only = Reader::new(&read_only, (), move |m| tell2.send((2, text(&m))).unwrap()).unwrap();
    for (n, (topic, file)) in topics.iter().zip(&files).enumerate() {
        assert!(File::remove(file.path()).unwrap());
        let publisher = Publisher::new(topic).unwrap();
        publisher.publish("new").unwrap();
        assert_eq!(told.recv_timeout(SOON).unwrap(), (n, "new".to_owned()));
        publisher.publish("next").unwrap();
        assert_eq!(told.recv_timeout(SOON).unwrap(), (n, "next".to_owned()));
    }
}

#[test]
fn a_new_file_that_is_no_topic_yet_is_waited_for() {
    let old = file(1 << 16);
    let read_only = File::open(old.path(), &FileOptions::default().access(Mode::ReadOnly)).unwrap();
    let (tell, told) = channel();
    let _reader = Reader::with_errors(&read_only, (), move |message| {
        let _ = tell.send(message.map(|message| text(&message)).map_err(|error| error.to_string()));
    })
    .unwrap();
    // What 0.3 leaves for a moment between creating a file and writing the header.
    std::fs::write(old.path().with_extension("new"), vec![0; 1 << 16]).unwrap();
    std::fs::rename(old.path().with_extension("new"), old.path()).unwrap();
    assert!(told.recv_timeout(SOON).unwrap().unwrap_err().ends_with("open it again"));
    assert!(told.recv_timeout(Duration::from_millis(400)).is_err(), "told of what passes");
    write(&File::open(old.path(), &FileOptions::default()).unwrap(), &["new"]);
    assert_eq!(told.recv_timeout(SOON).unwrap(), Ok("new".to_owned()));
}

#[test]
fn a_truncated_file_is_an_error_where_somebody_looks() {
    let file = file(1 << 20);
    write(&file, &["before"]);
    let path = file.path().to_owned();
    let mut reader = ReaderSync::new(&file, ()).unwrap();
    let publisher = Writer::new(&file).with_standard_headers();
    // The header and the first messages stay; what lies behind them cannot be touched any more.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(8192).unwrap();
    let truncated = |error: Error| {
        let text = error.to_string();
        assert!(text.contains("truncated to 8192 of 1048576 bytes"), "{text}");
        matches!(error, Error::File(FileError::Truncated { path: of, .. }) if of == path)
    };
    assert!(truncated(reader.read_blocking(LONG).map(|_| ()).unwrap_err()));
    assert!(truncated(publisher.write("x").unwrap_err()));
    assert!(truncated(file.is_removed().unwrap_err()));
    // Who comes now is told by the header.
    for mode in [Mode::Shared, Mode::ReadOnly] {
        let error = File::open(&path, &FileOptions::default().access(mode)).unwrap_err().to_string();
        assert!(error.contains("arena size (offset 136) is 1048576, but there are 8192 bytes"), "{error}");
    }
}

#[test]
fn a_file_that_grows_is_no_reason_to_worry() {
    let file = file(1 << 16);
    std::fs::OpenOptions::new().write(true).open(file.path()).unwrap().set_len(1 << 17).unwrap();
    assert_eq!(std::fs::metadata(file.path()).unwrap().size(), 1 << 17);
    assert!(!file.is_removed().unwrap());
    write(&file, &["0"]);
    let mut reader = ReaderSync::new(&file, ()).unwrap();
    assert!(matches!(reader.read_blocking(Duration::from_millis(300)), Err(Error::Timeout { .. })));
}

#[test]
fn calls_end_and_servers_go_on_with_the_new_file() {
    let topic = topic();
    let _server = RpcServer::new(&topic, |request| drop(request.reply(request.payload())), |_| {}).unwrap();
    let client = RpcClient::new(&topic).unwrap();
    client.call("before", LONG).unwrap();

    let unanswered = RpcClient::new(&format!("{topic}/nobody")).unwrap();
    let (tell, told) = channel();
    unanswered.send("unanswered", move |reply| drop(tell.send(reply))).unwrap();
    for client in [&client, &unanswered] {
        assert!(File::remove(client.file().path()).unwrap());
    }
    assert!(is_removed(&told.recv_timeout(LONG).unwrap()));
    let started = Instant::now();
    // The server may not know yet, and answer.
    while !is_removed(&client.call("unseen", LONG)) {
        assert!(started.elapsed() < LONG, "the client does not notice");
    }

    let client = RpcClient::new(&topic).unwrap();
    let started = Instant::now();
    // Until the server has found the new file, nobody reads this one.
    while client.call("after", Duration::from_millis(100)).is_err() {
        assert!(started.elapsed() < LONG, "the server has not come along");
    }
}

#[test]
fn reads_that_do_not_wait_find_out_too() {
    type Read = Box<dyn FnMut() -> Result<bool, Error>>;
    let all: [fn(&File) -> Read; 7] = [
        |file| {
            let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
            Box::new(move || Ok(reader.read()?.is_some()))
        },
        |file| {
            let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
            Box::new(move || Ok(reader.read_batch(|_| ())? > 0))
        },
        |file| {
            let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
            Box::new(move || Ok(reader.read_in_place(|_| ())?.is_some()))
        },
        |file| {
            let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
            Box::new(move || Ok(reader.read_locked(|_| ())?.is_some()))
        },
        |file| {
            let mut reader = ReaderSyncZeroCopy::new(file, Init::Oldest).unwrap();
            Box::new(move || Ok(reader.read(|_| ())?.is_some()))
        },
        |file| {
            let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
            reader.read().unwrap();
            Box::new(move || reader.can_read())
        },
        |file| {
            let mut listener = LogListenerSync::from_file(file, Level::Dbg, Init::Oldest).unwrap();
            Box::new(move || Ok(listener.read()?.is_some()))
        },
    ];
    for (n, read) in all.into_iter().enumerate() {
        let file = file(1 << 16);
        write(&file, &["0"]);
        let mut read = read(&file);
        assert!(File::remove(file.path()).unwrap());
        // What was there comes first.
        assert!(n >= 5 || read().unwrap());
        until(|| is_removed(&read()));
        assert!((0..100).all(|_| is_removed(&read())), "{n}");
    }
}
