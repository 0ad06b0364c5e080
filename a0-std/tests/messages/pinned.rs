//! Small behaviours that the tests of AlephZero 0.3 pin down and that have no better place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use a0_core::Encoder;
use a0_std::{
    Id, Init, Iter, Packet, Publisher, Reader, ReaderOptions, ReaderSync, SubscriberSyncZeroCopy, Writer, random_id,
};
use a0_testkit::bare;
use a0_testkit::private_root::{file, text, topic, write};

const LONG: Duration = Duration::from_secs(10);

#[test]
fn options_of_readers_keep_the_other_default() {
    let is = |options: ReaderOptions, init, iter| assert_eq!((options.init, options.iter), (init, iter));
    is(ReaderOptions::default(), Init::AwaitNew, Iter::Next);
    is(().into(), Init::AwaitNew, Iter::Next);
    is(Init::Oldest.into(), Init::Oldest, Iter::Next);
    is(Iter::Newest.into(), Init::AwaitNew, Iter::Newest);
    is((Init::MostRecent, Iter::Newest).into(), Init::MostRecent, Iter::Newest);
}

#[test]
fn whether_there_is_something_to_read() {
    let file = file(4096);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    for round in ["a", "b"] {
        assert!(!reader.can_read().unwrap() && reader.read().unwrap().is_none());
        write(&file, &[round]);
        assert!(reader.can_read().unwrap());
        assert_eq!(text(&reader.read().unwrap().unwrap()), round);
    }
    let (tell, told) = channel();
    let reader = Reader::new(&file, (), move |_| tell.send(()).unwrap()).unwrap();
    assert!(told.recv_timeout(Duration::from_millis(30)).is_err(), "nothing new");
    drop(reader);
}

#[test]
fn a_blocking_read_does_not_wait_for_what_is_there() {
    let file = file(4096);
    let mut reader = ReaderSync::new(&file, Iter::Newest).unwrap();
    write(&file, &["a", "b", "c"]);
    assert_eq!(text(&reader.read_blocking(Duration::ZERO).unwrap()), "c");
    let waiting = std::thread::spawn(move || {
        let started = Instant::now();
        (text(&reader.read_blocking(LONG).unwrap()), started.elapsed())
    });
    std::thread::sleep(Duration::from_millis(30));
    write(&file, &["d"]);
    let (got, waited) = waiting.join().unwrap();
    assert_eq!(got, "d");
    assert!(waited < LONG);
}

#[test]
fn frames_are_read_at_their_offset() {
    let file = file(4096);
    let packet = |payload: &str| Packet::new(payload);
    // An id, no headers, and five bytes: 37 + 8 + 8 + 5 = 58.
    Writer::new(&file).write_packet(&packet("first")).unwrap();
    Writer::new(&file).write_packet(&packet("other")).unwrap();
    let locked = bare(&file).lock(None).unwrap();
    for (offset, payload) in [(144, b"first"), (256, b"other")] {
        let frame = locked.at(offset).unwrap();
        let mut bytes = [0; 58];
        assert_eq!(locked.read(&frame, &mut bytes), Ok(58));
        assert_eq!(&bytes[53..], payload);
    }
}

#[test]
fn of_two_frames_in_one_commit_the_newest_is_delivered() {
    let file = file(4096);
    let encoded = |payload: &str| {
        let (id, mut bytes) = (random_id(), vec![0; 53 + payload.len()]);
        Encoder::new(&id, &[], payload.as_bytes()).unwrap().encode_into(&mut bytes).unwrap();
        bytes
    };
    write(&file, &["0"]);
    let (tell, told) = channel();
    let _threaded = Reader::new(&file, (Init::AwaitNew, Iter::Newest), move |m| tell.send(text(&m)).unwrap()).unwrap();
    let mut sync = ReaderSync::new(&file, (Init::AwaitNew, Iter::Newest)).unwrap();
    let mut locked = bare(&file).lock(None).unwrap();
    for payload in ["1", "2"] {
        let bytes = encoded(payload);
        locked.alloc(bytes.len() as u64).unwrap().write(0, &bytes);
    }
    locked.commit();
    drop(locked);
    assert_eq!(text(&sync.read().unwrap().unwrap()), "2");
    assert!(sync.read().unwrap().is_none());
    assert_eq!(told.recv_timeout(LONG).unwrap(), "2");
    assert!(told.recv_timeout(Duration::from_millis(30)).is_err());
}

#[test]
fn a_panic_while_looking_releases_the_lock() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    let mut reader = SubscriberSyncZeroCopy::new(&topic, Init::Oldest).unwrap();
    publisher.publish("x").unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| reader.read(|_| panic!("on purpose"))));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
    publisher.publish("y").unwrap();
    assert_eq!(reader.read(|message| text(&message)).unwrap().unwrap(), "y");
}

#[test]
fn sizes_of_a_packet() {
    let id: Id = random_id();
    let block = |range: std::ops::Range<usize>| ["1", "2", "3", "4", "5"].map(|n| (n, n))[range].to_vec();
    let (first, second) = (block(0..2), block(2..5));
    let encoded = Encoder::new(&id, &[&first, &second], b"Hello, World!").unwrap().encoded_len();
    assert_eq!(encoded, 166);
    let new = Packet::new("");
    assert!(new.headers().next().is_none() && new.payload().is_empty());
}
