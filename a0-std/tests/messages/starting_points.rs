//! What the first reads deliver, for each way to start and to go on, synchronous and threaded.

use std::sync::mpsc::channel;
use std::time::Duration;

use a0_std::{File, Init, Iter, Reader, ReaderSync};
use a0_testkit::private_root::{file, text, write};

const OPTIONS: [(Init, Iter); 6] = [
    (Init::Oldest, Iter::Next),
    (Init::Oldest, Iter::Newest),
    (Init::MostRecent, Iter::Next),
    (Init::MostRecent, Iter::Newest),
    (Init::AwaitNew, Iter::Next),
    (Init::AwaitNew, Iter::Newest),
];

/// Room for three one-character packets: 40 + 54 bytes each, on multiples of 16.
const THREE_MESSAGES: u64 = 144 + 3 * 96 + 8;

fn sync(before: &[&str], later: &[&str], options: (Init, Iter), file: &File) -> Vec<String> {
    write(file, before);
    let mut reader = ReaderSync::new(file, options).unwrap();
    write(file, later);
    let mut texts = Vec::new();
    while let Some(message) = reader.read().unwrap() {
        texts.push(text(&message));
    }
    texts
}

/// The callback blocks on its first message until everything is written, so that the thread cannot keep up.
fn threaded(before: &[&str], later: &[&str], options: (Init, Iter), file: &File, expect: usize) -> Vec<String> {
    write(file, before);
    let (tell, told) = channel();
    let (open, gate) = channel::<()>();
    let mut gate = Some(gate);
    let reader = Reader::new(file, options, move |message| {
        tell.send(text(&message)).unwrap();
        if let Some(gate) = gate.take() {
            gate.recv().unwrap();
        }
    })
    .unwrap();
    let mut texts = Vec::new();
    // The first message of the empty start, or the one placed at, comes before the rest is written.
    let (first, rest) = if before.is_empty() { later.split_at(1) } else { later.split_at(0) };
    write(file, first);
    if before.is_empty() || options.0 != Init::AwaitNew {
        texts.push(told.recv_timeout(Duration::from_secs(5)).unwrap());
    }
    write(file, rest);
    open.send(()).unwrap();
    while texts.len() < expect {
        texts.push(told.recv_timeout(Duration::from_secs(5)).expect("another message"));
    }
    assert!(told.recv_timeout(Duration::from_millis(30)).is_err(), "no more messages");
    drop(reader);
    texts
}

#[test]
fn empty_at_first() {
    let sync_expected: [&[&str]; 6] = [&["0", "1", "2"], &["2"], &["0", "1", "2"], &["2"], &["0", "1", "2"], &["2"]];
    let threaded_expected: [&[&str]; 6] =
        [&["0", "1", "2"], &["0", "2"], &["0", "1", "2"], &["0", "2"], &["0", "1", "2"], &["0", "2"]];
    for (i, options) in OPTIONS.into_iter().enumerate() {
        assert_eq!(sync(&[], &["0", "1", "2"], options, &file(4096)), sync_expected[i], "sync {options:?}");
        assert_eq!(
            threaded(&[], &["0", "1", "2"], options, &file(4096), threaded_expected[i].len()),
            threaded_expected[i],
            "threaded {options:?}"
        );
    }
}

#[test]
fn some_there_already() {
    let expected: [&[&str]; 6] = [&["0", "1", "2"], &["0", "2"], &["1", "2"], &["1", "2"], &["2"], &["2"]];
    for (i, options) in OPTIONS.into_iter().enumerate() {
        assert_eq!(sync(&["0", "1"], &["2"], options, &file(4096)), expected[i], "sync {options:?}");
        assert_eq!(
            threaded(&["0", "1"], &["2"], options, &file(4096), expected[i].len()),
            expected[i],
            "threaded {options:?}"
        );
    }
}

#[test]
fn overtaken_before_the_first_read() {
    let expected: [&[&str]; 6] = [&["6", "7", "8"], &["8"], &["6", "7", "8"], &["8"], &["6", "7", "8"], &["8"]];
    for (i, options) in OPTIONS.into_iter().enumerate() {
        let file = file(THREE_MESSAGES);
        assert_eq!(sync(&["0", "1"], &["2", "3", "4", "5", "6", "7", "8"], options, &file), expected[i], "{options:?}");
    }
}

#[test]
fn losses_are_counted_exactly() {
    let file = file(THREE_MESSAGES);
    write(&file, &["0"]);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    assert_eq!(reader.read().unwrap().unwrap().missed(), 0);
    write(&file, &["1", "2", "3", "4", "5", "6"]);
    let message = reader.read().unwrap().unwrap();
    assert_eq!((text(&message).as_str(), message.missed(), message.seq()), ("4", 3, 5));
    assert_eq!(reader.read().unwrap().unwrap().missed(), 0);
    file.clear().unwrap();
    assert!(reader.read().unwrap().is_none());
    write(&file, &["7"]);
    let message = reader.read().unwrap().unwrap();
    assert_eq!((text(&message).as_str(), message.missed()), ("7", 1), "the cleared message counts");
}

#[test]
fn cleared_topics_start_empty() {
    for init in [Init::Oldest, Init::MostRecent, Init::AwaitNew] {
        let file = file(4096);
        write(&file, &["0", "1"]);
        file.clear().unwrap();
        let mut reader = ReaderSync::new(&file, init).unwrap();
        assert!(!reader.can_read().unwrap());
        assert!(reader.read().unwrap().is_none());
        write(&file, &["2", "3"]);
        assert!(reader.can_read().unwrap());
        let message = reader.read().unwrap().unwrap();
        assert_eq!((text(&message).as_str(), message.missed()), ("2", 0), "{init:?}");
    }
}
