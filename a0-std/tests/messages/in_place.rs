//! Looking at messages without copying them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use a0_core::layout::{frame, header, page};
use a0_core::{Mem, Transport};
use a0_std::{
    Error, File, FileOptions, Init, Iter, LockError, Mode, Publisher, ReaderSync, SubscriberSync, View, Writer,
};
use a0_testkit::bare;
use a0_testkit::private_root::{file, root, text, topic, write};

const LONG: Duration = Duration::from_secs(20);

fn copied(view: &View<'_>) -> Vec<u8> {
    let mut payload = vec![0; view.len()];
    view.copy_to(0, &mut payload).unwrap();
    payload
}

#[test]
fn a_view_shows_what_a_message_shows() {
    let file = file(1 << 20);
    let writer = Writer::new(&file);
    let long = "v".repeat(5000);
    let many: Vec<_> = (0..300).map(|n| format!("key{n}")).collect();
    let many: Vec<_> = many.iter().map(|key| (&**key, "value")).collect();
    let cases: [&[(&str, &str)]; 5] = [&[], &[("k", "v"), ("k", "w")], &[("", "")], &[("long", &long)], &many];
    for headers in cases {
        for len in [0, 1, 900, 5000, 20_000] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            writer.write_with(headers, &payload).unwrap();
        }
    }
    let (mut viewer, mut locker, mut reader) = (
        ReaderSync::new(&file, Init::Oldest).unwrap(),
        ReaderSync::new(&file, Init::Oldest).unwrap(),
        ReaderSync::new(&file, Init::Oldest).unwrap(),
    );
    let mut count = 0;
    while let Some(message) = reader.read().unwrap() {
        count += 1;
        let seen = viewer.read_in_place(|view| {
            assert!(view.is_intact());
            assert_eq!((view.seq(), view.missed(), view.id()), (message.seq(), message.missed(), message.id()));
            assert!(view.headers().eq(message.headers()));
            assert_eq!(view.header("k"), message.header("k"));
            assert_eq!((view.len(), view.is_empty()), (message.payload().len(), message.payload().is_empty()));
            assert_eq!(copied(&view), message.payload());
            let mut joined = vec![];
            view.for_each_chunk(|chunk| joined.extend_from_slice(chunk));
            assert_eq!(joined, message.payload());
            let end = view.len();
            assert_eq!(view.array(end), Some([]));
            assert_eq!(
                (view.array::<1>(end), view.array::<0>(end + 1), view.array::<2>(usize::MAX)),
                (None, None, None)
            );
            if let Some([.., last]) = message.payload().last_chunk::<2>() {
                assert_eq!(view.array::<1>(end - 1), Some([*last]));
                assert_eq!(view.array::<2>(end - 1), None);
            }
        });
        assert_eq!(seen.unwrap(), Some(()));
        let whole = locker.read_locked(|locked| locked.payload() == message.payload() && locked.id() == message.id());
        assert_eq!(whole.unwrap(), Some(true));
    }
    assert_eq!(count, 25);
    assert!(viewer.read_in_place(|_| ()).unwrap().is_none() && locker.read_locked(|_| ()).unwrap().is_none());
}

#[test]
fn what_is_overwritten_meanwhile_does_not_count_and_is_counted() {
    let file = file(1000);
    let writer = Writer::new(&file);
    write(&file, &["a", "b", "c"]);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    assert_eq!(reader.read_in_place(|view| copied(&view)).unwrap().unwrap(), b"a");
    let mut calls = 0;
    let error = reader.read_in_place(|view| {
        calls += 1;
        assert!(view.is_intact());
        // Takes the whole topic.
        writer.write([b'x'; 700]).unwrap();
        assert!(!view.is_intact());
        copied(&view)
    });
    assert!(matches!(error, Err(Error::Overwritten { seq: 2, missed: 0, .. })), "{error:?}");
    assert!(error.unwrap_err().to_string().contains("message 2 was overwritten"));
    assert_eq!(calls, 1);
    // The third is missed, too, but not the second: that was said.
    let error = reader.read_in_place(|_| file.clear().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Overwritten { seq: 4, missed: 1, .. }), "{error}");
    assert!(reader.read_in_place(|_| ()).unwrap().is_none());
    write(&file, &["5"]);
    let seen = reader.read_in_place(|view| {
        // Publishing from inside is no harm as long as there is room.
        writer.write("6").unwrap();
        (view.missed(), copied(&view))
    });
    assert_eq!(seen.unwrap(), Some((0, b"5".to_vec())));
    let inside = reader.read_locked(|_| writer.write("7").unwrap_err().to_string()).unwrap().unwrap();
    assert!(inside.contains("this thread has already locked the topic"), "{inside}");
}

#[test]
fn waiting_and_its_end() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let mut reader = SubscriberSync::new(&topic, Iter::Newest).unwrap();
    let error = reader.read_in_place_blocking(Duration::from_millis(1), |_| ()).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    let waiting = std::thread::spawn(move || {
        let seen = reader.read_in_place_blocking(LONG, |view| copied(&view)).unwrap();
        (seen, reader)
    });
    publisher.publish("1").unwrap();
    let (seen, mut reader) = waiting.join().unwrap();
    assert_eq!(seen, b"1");
    reader.interrupter().interrupt();
    let error = reader.read_in_place_blocking(None, |_| ()).unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error}");
}

#[test]
fn files_that_may_only_be_read_are_looked_at_without_the_lock_only() {
    let file = file(1000);
    write(&file, &["0", "1"]);
    let read_only = File::open(file.path(), &FileOptions::default().access(Mode::ReadOnly)).unwrap();
    let mut reader = ReaderSync::new(&read_only, Init::Oldest).unwrap();
    assert_eq!(reader.read_in_place(|view| copied(&view)).unwrap().unwrap(), b"0");
    let error = reader.read_locked(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Topic { cause: a0_std::TopicError::Lock(LockError::ReadOnly), .. }), "{error}");
}

#[test]
fn whatever_is_no_packet_is_the_same_error_as_for_copies() {
    let root = root();
    for (n, (count, offset)) in [
        (0u64, 0u64),
        (0, 54),
        (0, u64::MAX),
        (1, 69),
        (2, 85),
        (3, 0),
        (60, 61),
        (70, 2000),
        (1 << 59, 45),
        (1 << 60, 45),
        (u64::MAX, u64::MAX),
    ]
    .into_iter()
    .enumerate()
    {
        for len in [0, 10, 45, 52, 53, 54, 100, 1023, 1024, 1025, 1500] {
            let mut bytes = vec![b'x'; len];
            let zero_count_offset = [(36, vec![0]), (37, count.to_le_bytes().to_vec())];
            let offset_at = count.checked_mul(16).and_then(|at| at.checked_add(45)).filter(|at| *at < 4096);
            let offset = offset_at.map(|at| (at as usize, offset.to_le_bytes().to_vec()));
            for (at, part) in zero_count_offset.into_iter().chain(offset) {
                if let Some(room) = bytes.get_mut(at..at + part.len()) {
                    room.copy_from_slice(&part);
                }
            }
            let file = File::open(root.join(format!("bad{n}-{len}")), &FileOptions::default().size(4096)).unwrap();
            bare(&file).lock(None).unwrap().push(&bytes).unwrap();
            write(&file, &["good"]);
            let (mut viewer, mut reader) =
                (ReaderSync::new(&file, Init::Oldest).unwrap(), ReaderSync::new(&file, Init::Oldest).unwrap());
            let (seen, read) = (viewer.read_in_place(|_| ()), reader.read().map(|_| ()));
            match (seen, read) {
                (Err(seen), Err(read)) => assert_eq!(seen.to_string(), read.to_string()),
                (Ok(Some(())), Ok(())) => {}
                (seen, read) => panic!("{count} {len}: {seen:?} {read:?}"),
            }
            assert_eq!(viewer.read_in_place(|view| copied(&view)).unwrap().unwrap(), b"good");
        }
    }
}

/// A writer like the Python package, which overwrites live messages without evicting them.
#[test]
fn a_header_that_changes_gives_it_away() {
    let file = file(1000);
    write(&file, &["0", "1"]);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let error = reader.read_in_place(|view| {
        let mem = bare(&file).mem();
        mem.store_u32(header::FOREIGN, 1, std::sync::atomic::Ordering::Relaxed);
        mem.store_u64(frame::seq(144), 77, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(mem.load_u64(page::seq_low(1), std::sync::atomic::Ordering::Relaxed), 1);
        assert!(!view.is_intact());
    });
    assert!(matches!(error, Err(Error::Overwritten { seq: 1, .. })), "{error:?}");
    let topic: &Transport<_, _> = bare(&file);
    let mut forged = a0_core::Received::default();
    (forged.seq, forged.offset, forged.len) = (1, 7, 8);
    assert!(!topic.is_intact(&forged));
    forged.offset = u64::MAX - 7;
    assert!(!topic.is_intact(&forged));
}

/// This program, publishing as fast as it can. It uses the same `A0_ROOT`.
fn publish_beside(topic: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let this = a0_testkit::actor::test_name(concat!(module_path!(), "::child_process"));
    command.args([this, "--exact", "--nocapture"]).stdout(Stdio::null());
    command.env("A0_ROOT", root()).env("A0_TEST_TOPIC", topic).spawn().unwrap()
}

const LARGEST: usize = 20_000;

/// What other processes do in these tests; nothing if nobody asked. Each message consists of one byte only.
#[test]
fn child_process() {
    let Ok(topic) = std::env::var("A0_TEST_TOPIC") else { return };
    let publisher = Publisher::new(&topic).unwrap();
    let started = Instant::now();
    for n in 0.. {
        let size = (n * 7919) % LARGEST + 1;
        if n % 2 == 0 {
            publisher.publish(vec![n as u8; size]).unwrap();
        } else {
            let mut loan = publisher.loan(size).unwrap();
            loan.with(|bytes| bytes.fill(n as u8));
            loan.commit();
        }
        // Should nobody end it.
        if n % 256 == 0 && started.elapsed() > 3 * LONG {
            return;
        }
    }
}

#[test]
fn a_reader_that_is_lapped_all_the_time_learns_nothing_false() {
    let topic = topic();
    let file =
        Publisher::with_options(&topic, &FileOptions::default().size(3 * LARGEST as u64)).unwrap().file().clone();
    let mut reader = ReaderSync::new(&file, ()).unwrap();
    let mut publishing = publish_beside(&topic);
    let (mut last, mut sound, mut overwritten, mut torn) = (0, 0u64, 0u64, 0u64);
    let started = Instant::now();
    // Without the look behind the closure, what is torn would be delivered: it happens, or this shows nothing.
    while sound < 300 || torn < 20 {
        assert!(started.elapsed() < LONG, "{sound} sound, {overwritten} overwritten, {torn} torn");
        let mut is_torn = false;
        let seen = reader.read_in_place(|view| {
            let first = view.array::<1>(0).map(|[byte]| byte);
            if view.seq() % 64 == 0 {
                // On a single core, or nobody writes meanwhile.
                std::thread::sleep(Duration::from_millis(1));
            }
            view.for_each_chunk(|chunk| is_torn |= chunk.iter().any(|byte| Some(*byte) != first));
            (view.seq(), view.missed())
        });
        torn += u64::from(is_torn);
        let (seq, missed) = match seen {
            Ok(Some(seen)) => {
                assert!(!is_torn, "message {} is torn, and nothing said so", seen.0);
                sound += 1;
                seen
            }
            Ok(None) => continue,
            Err(Error::Overwritten { seq, missed, .. }) => {
                overwritten += 1;
                (seq, missed)
            }
            Err(other) => panic!("{other}"),
        };
        assert_eq!(seq, last + 1 + missed, "a loss that is not counted");
        last = seq;
    }
    publishing.kill().unwrap();
    publishing.wait().unwrap();
    println!("{sound} sound, {overwritten} overwritten, {torn} torn, {last} in all");
    Publisher::new(&topic).unwrap().publish("after").unwrap();
    let mut reader = ReaderSync::new(&file, Init::MostRecent).unwrap();
    assert_eq!(text(&reader.read().unwrap().unwrap()), "after");
}
