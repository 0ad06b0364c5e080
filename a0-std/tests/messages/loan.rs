//! Messages that are put together in the topic itself.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use a0_std::{
    Error, File, FileError, FileOptions, Init, Loan, LockError, Mode, Packet, Publisher, ReaderSync, SubscriberSync,
    Writer, keys,
};
use a0_testkit::private_root::{file, root, text, topic, write};
use a0_testkit::until;

const LONG: Duration = Duration::from_secs(20);

/// Everything that a file holds, from the oldest message on.
fn content(file: &File) -> Vec<String> {
    let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
    std::iter::from_fn(|| reader.read().unwrap().map(|message| text(&message))).collect()
}

fn lock_error(result: Result<impl std::fmt::Debug, Error>) -> LockError {
    match result {
        Err(Error::Topic { cause: a0_std::TopicError::Lock(error), .. }) => error,
        other => panic!("{other:?}"),
    }
}

fn assert_sound(file: &File) {
    file.verify(|problem| panic!("{problem:?}")).unwrap();
}

fn bytes(file: &File) -> Vec<u8> {
    std::fs::read(file.path()).unwrap()
}

#[test]
fn the_file_is_the_same_as_after_writing() {
    let headers = [("unit", "mm"), ("", "")];
    let long = "x".repeat(2000);
    let larger = [("large", &*long)];
    for (size, headers) in [(4096, &[][..]), (700, &headers[..]), (5000, &larger[..]), (50_000, &larger[..])] {
        let (written, loaned) = (file(size), file(size));
        let (writer, lender) = (Writer::new(&written), Writer::new(&loaned));
        for len in [0, 1, 8, 100, 33, 250, 7, 100, 99] {
            let payload: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
            writer.write_with(headers, &payload).unwrap();
            let mut loan = lender.loan_with(headers, len).unwrap();
            assert_eq!((loan.len(), loan.is_empty()), (len, len == 0));
            loan.with(|bytes| bytes.copy_from_slice(&payload));
            assert_eq!(loan.with(|bytes| bytes.to_vec()), payload);
            let (seq, id) = (loan.seq(), *loan.id());
            let published = loan.commit();
            assert_eq!((published.seq, published.id), (seq, id));
        }
        assert_eq!(written.state().unwrap(), loaned.state().unwrap());
        if written.state().unwrap().seq_low == 1 {
            assert_eq!(without_ids(&written), without_ids(&loaned));
        }
        assert_eq!(content_bytes(&written), content_bytes(&loaned));
    }
}

/// The whole file, except for what differs between any two messages. All that were ever written must be there.
fn without_ids(file: &File) -> Vec<u8> {
    let mut bytes = bytes(file);
    let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
    while let Some(message) = reader.read().unwrap() {
        let id = message.id().as_bytes();
        let at = bytes.windows(id.len()).position(|window| window == id).unwrap();
        bytes[at..at + id.len()].fill(b'-');
    }
    bytes
}

/// Headers, and a payload.
type Parts = (Vec<(String, String)>, Vec<u8>);

/// All messages without their ids.
fn content_bytes(file: &File) -> Vec<Parts> {
    let mut reader = ReaderSync::new(file, Init::Oldest).unwrap();
    let mut all = vec![];
    while let Some(message) = reader.read().unwrap() {
        let headers = message.headers().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        all.push((headers, message.payload().to_vec()));
    }
    all
}

#[test]
fn the_packet_is_the_same_byte_by_byte() {
    let packet = Packet::new("payload").with_header("k", "v");
    let (written, loaned) = (file(1000), file(1000));
    Writer::new(&written).write_packet(&packet).unwrap();
    let lender = Writer::new(&loaned);
    let mut loan = lender.loan_with(&[("k", "v")], 7).unwrap();
    loan.write_at(3, b"load");
    loan.write_at(0, b"pay");
    let published = loan.commit();
    let mut other = bytes(&loaned);
    let at = other.windows(36).position(|window| window == published.id.as_bytes()).unwrap();
    other[at..at + 36].copy_from_slice(packet.id().as_bytes());
    assert_eq!(bytes(&written), other);
}

#[test]
fn standard_headers_count_only_what_was_committed() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    publisher.publish("0").unwrap();
    drop(publisher.loan(10).unwrap());
    let mut loan = publisher.loan_with(&[("unit", "mm")], 1).unwrap();
    loan.write_at(0, b"1");
    loan.commit();
    publisher.publish("2").unwrap();
    let mut reader = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    let mut last = String::new();
    for n in ["0", "1", "2"] {
        let message = reader.read().unwrap().unwrap();
        assert_eq!((&*text(&message), message.missed()), (n, 0));
        assert_eq!(message.header(keys::TRANSPORT_SEQ), Some(n));
        assert_eq!(message.header(keys::WRITER_SEQ), Some(n));
        assert_eq!(message.header("unit"), (n == "1").then_some("mm"));
        let time = message.header(keys::TIME_MONO).unwrap();
        assert!(*time > *last);
        last = time.to_owned();
    }
}

#[test]
fn nobody_sees_anything_before_the_commit_or_after_a_drop() {
    let file = file(4096);
    write(&file, &["0", "1"]);
    let before = (file.state().unwrap(), content(&file));
    let writer = Writer::new(&file);
    let mut loan = writer.loan(500).unwrap();
    loan.with(|bytes| bytes.fill(1));
    assert_eq!((file.state().unwrap(), content(&file)), before);
    drop(loan);
    assert_eq!((file.state().unwrap(), content(&file)), before);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _loan = writer.loan(500).unwrap();
        panic!("while it is filled");
    }));
    assert!(unwound.is_err());
    assert_eq!((file.state().unwrap(), content(&file)), before);
    assert_eq!(writer.write("2").unwrap().seq, 3);
    assert_eq!(content(&file), ["0", "1", "2"]);
    assert_sound(&file);
}

#[test]
fn a_dropped_loan_has_evicted_what_was_in_its_way_and_no_more() {
    let file = file(800);
    write(&file, &["0", "1", "2", "3", "4", "5", "6"]);
    let before = content(&file);
    let writer = Writer::new(&file);
    drop(writer.loan(200).unwrap());
    let left = content(&file);
    assert!(left.len() < before.len() && before.ends_with(&left), "{before:?} {left:?}");
    writer.write("7").unwrap();
    let now = content(&file);
    assert_eq!(now, [&left[..], &["7".to_owned()]].concat());
    assert_sound(&file);
}

#[test]
fn sizes_at_both_ends() {
    let file = file(1000);
    write(&file, &["0"]);
    let writer = Writer::new(&file);
    for len in [1000, 1 << 40, usize::MAX] {
        let loaned = writer.loan(len).map(drop).unwrap_err();
        assert!(matches!(&loaned, Error::Topic { cause: a0_std::TopicError::FrameTooLarge { .. }, .. }), "{loaned:?}");
        if len == 1000 {
            assert_eq!(loaned.to_string(), writer.write([0; 1000]).unwrap_err().to_string());
        }
    }
    assert_eq!(content(&file), ["0"]);
    writer.loan(0).unwrap().commit();
    assert_eq!(content(&file), ["0", ""]);
    let nul = writer.loan_with(&[("k", "v\0")], 1).map(drop).unwrap_err();
    assert_eq!(nul.to_string(), writer.write_with(&[("k", "v\0")], "1").unwrap_err().to_string());
    let read_only = File::open(file.path(), &FileOptions::default().access(Mode::ReadOnly)).unwrap();
    assert_eq!(lock_error(Writer::new(&read_only).loan(1).map(drop)), LockError::ReadOnly);
    let largest = 1000 - 144 - 40 - (36 + 1 + 8 + 8);
    let mut loan = writer.loan(largest).unwrap();
    loan.with(|bytes| bytes.fill(b'x'));
    loan.commit();
    assert_eq!(content(&file), ["x".repeat(largest)]);
    assert!(writer.loan(largest + 1).is_err());
}

#[test]
fn written_like_a_file_and_cut() {
    let (cut, whole) = (file(1000), file(1000));
    let (cutter, writer) = (Writer::new(&cut), Writer::new(&whole));
    let round = |n: usize| {
        let mut loan = cutter.loan(300).unwrap();
        write!(loan, "{n} is {}", "x".repeat(n)).unwrap();
        let written = loan.written();
        loan.truncate(written);
        loan.truncate(1000);
        assert_eq!(loan.len(), written);
        assert_eq!(loan.write(b"more").unwrap(), 0);
        loan.commit();
        writer.write(format!("{n} is {}", "x".repeat(n))).unwrap();
    };
    for n in 0..40 {
        round(n % 7 * 5);
        assert_sound(&whole);
        assert_sound(&cut);
        let (cut, whole) = (content(&cut), content(&whole));
        assert!(whole.ends_with(&cut) && !cut.is_empty(), "{whole:?} {cut:?}");
    }
    // What is used is what the message takes, not what was asked for.
    let fresh = [file(1000), file(1000)];
    let lender = Writer::new(&fresh[0]);
    let mut loan = lender.loan(500).unwrap();
    loan.truncate(3);
    loan.commit();
    write(&fresh[1], &["abc"]);
    assert_eq!(fresh[0].state().unwrap(), fresh[1].state().unwrap());

    let mut loan = cutter.loan(5).unwrap();
    assert!(loan.write_all(b"too long").is_err());
    assert_eq!(loan.with(|bytes| bytes.to_vec()), b"too l");
    assert_eq!(loan.fill_from(*b"abcdefgh"), 5);
    assert_eq!(loan.fill_from(*b"AB"), 2);
    loan.truncate(0);
    assert!(loan.is_empty() && loan.written() == 0);
    loan.commit();
    assert_eq!(content(&cut).last().unwrap(), "");
}

#[test]
#[should_panic(expected = "do not fit into a loan of 3")]
fn bytes_that_do_not_fit_are_refused() {
    let file = file(1000);
    Writer::new(&file).loan(3).unwrap().write_at(1, b"abc");
}

#[test]
fn the_same_thread_publishes_on_other_topics_meanwhile_but_not_on_this_one() {
    let (one, other) = (file(4096), file(4096));
    let (writer, elsewhere) = (Writer::new(&one), Writer::new(&other));
    // The same file, opened once more, also by another name: another place in memory, and the same lock.
    let link = one.path().with_extension("link");
    std::fs::hard_link(one.path(), &link).unwrap();
    let [again, linked] =
        [one.path(), &link].map(|path| Writer::new(&File::open(path, &FileOptions::default()).unwrap()));
    let mut loan = writer.loan(1).unwrap();
    let started = Instant::now();
    for result in [writer.write("a"), again.write("a"), linked.write("a")] {
        assert_eq!(lock_error(result), LockError::Recursive);
    }
    for lender in [&again, &linked] {
        assert_eq!(lock_error(lender.loan(1).map(drop)), LockError::Recursive);
    }
    let error = writer.loan(1).map(drop).unwrap_err();
    assert!(error.to_string().contains("this thread has already locked the topic"), "{error}");
    elsewhere.write("b").unwrap();
    let mut inner = elsewhere.loan(1).unwrap();
    inner.write_at(0, b"c");
    assert_eq!(lock_error(elsewhere.write("d")), LockError::Recursive);
    loan.write_at(0, b"a");
    loan.commit();
    writer.write("e").unwrap();
    inner.commit();
    assert!(started.elapsed() < LONG);
    assert_eq!((content(&one), content(&other)), (vec!["a".into(), "e".into()], vec!["b".into(), "c".into()]));
}

#[test]
fn two_threads_that_want_each_others_topics_do_not_wait_for_ever() {
    let (one, other) = (file(4096), file(4096));
    let barrier = std::sync::Barrier::new(2);
    let both = |mine: &File, yours: &File| {
        let (mine, yours) = (Writer::new(mine), Writer::new(yours));
        let loan = mine.loan(1).unwrap();
        barrier.wait();
        let result = yours.write("x").map(drop);
        loan.commit();
        result
    };
    let started = Instant::now();
    let results = std::thread::scope(|scope| {
        let thread = scope.spawn(|| both(&other, &one));
        [both(&one, &other), thread.join().unwrap()]
    });
    assert!(started.elapsed() < Duration::from_secs(5), "the lock's patience ended it");
    // Both, where they come at the same instant: then the kernel finds the circle from both ends.
    let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(!refused.is_empty());
    for error in refused {
        assert!(matches!(error, Error::Topic { cause: a0_std::TopicError::Lock(LockError::Recursive), .. }), "{error}");
    }
}

#[test]
fn others_wait_and_readers_do_not() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    publisher.publish("0").unwrap();
    let mut loan = publisher.loan(1).unwrap();
    let impatient = FileOptions::default().lock_timeout(Duration::from_millis(50));
    let refused = std::thread::spawn({
        let topic = topic.clone();
        move || Publisher::with_options(&topic, &impatient).unwrap().publish("refused")
    });
    assert!(matches!(lock_error(refused.join().unwrap()), LockError::TimedOut { .. }));
    let waiting = std::thread::spawn({
        let topic = topic.clone();
        move || Publisher::new(&topic).unwrap().publish("2").unwrap()
    });
    let mut reader = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    assert_eq!(text(&reader.read().unwrap().unwrap()), "0");
    assert!(reader.read().unwrap().is_none());
    loan.write_at(0, b"1");
    loan.commit();
    assert_eq!(text(&reader.read_blocking(LONG).unwrap()), "1");
    assert_eq!(text(&reader.read_blocking(LONG).unwrap()), "2");
    assert_eq!(waiting.join().unwrap().seq, 3);
}

/// Two loans of one file would be two exclusive references to the same bytes.
#[test]
fn exclusive_files_lend_only_once_at_a_time() {
    root();
    let file = File::open(topic(), &FileOptions::default().size(4096).access(Mode::Exclusive)).unwrap();
    let writer = Writer::new(&file);
    let mut loan = writer.loan(1).unwrap();
    assert_eq!(lock_error(writer.loan(1).map(drop)), LockError::Recursive);
    assert_eq!(lock_error(writer.write("x")), LockError::Recursive);
    // Opened once more, it would have a lock of its own.
    for mode in [Mode::Shared, Mode::Exclusive] {
        let again = File::open(file.path(), &FileOptions::default().access(mode)).unwrap_err();
        assert!(matches!(again, Error::File(FileError::Exclusive { .. } | FileError::NotAlone { .. })), "{again}");
    }
    loan.write_at(0, b"1");
    loan.commit();
    assert_eq!(content(&file), ["1"]);
}

/// The lock of a loan that was leaked ends with its thread; then others get it, and the same room.
#[test]
fn a_leaked_loan_ends_with_its_thread() {
    let file = file(4096);
    let writer: &'static Writer = Box::leak(Box::new(Writer::new(&file)));
    std::thread::spawn(|| Box::leak(Box::new(writer.loan(3).unwrap())).with(|bytes| bytes.fill(b'M'))).join().unwrap();
    writer.write("one").unwrap();
    assert_eq!(content(&file), ["one"]);
    assert_sound(&file);
}

/// This program, about to do `task` beside the test. It uses the same `A0_ROOT`.
fn child(task: &str, topics: [&str; 2]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let this = a0_testkit::actor::test_name(concat!(module_path!(), "::child_process"));
    command.args([this, "--exact", "--nocapture"]).stdout(Stdio::null());
    command.env("A0_ROOT", root()).env("A0_TEST_TASK", task);
    command.env("A0_TEST_TOPIC", topics[0]).env("A0_TEST_OTHER", topics[1]).spawn().unwrap()
}

/// Says that it has come this far, and waits for its end.
fn wait_for_death(topic: &str) -> ! {
    std::fs::write(root_of(topic), "").unwrap();
    loop {
        std::thread::park();
    }
}

fn root_of(topic: &str) -> std::path::PathBuf {
    std::path::Path::new(&std::env::var_os("A0_ROOT").unwrap()).join(format!("{topic}.reached"))
}

/// What other processes do in these tests; nothing if nobody asked.
#[test]
fn child_process() {
    let Ok(task) = std::env::var("A0_TEST_TASK") else { return };
    let [topic, other] = ["A0_TEST_TOPIC", "A0_TEST_OTHER"].map(|name| std::env::var(name).unwrap());
    let [publisher, elsewhere] = [&topic, &other].map(|topic| Publisher::new(topic).unwrap());
    let fill = |mut loan: Loan<'_>| {
        std::mem::forget({
            loan.with(|bytes| bytes.fill(0xEE));
            loan
        })
    };
    match &*task {
        "loan" => fill(publisher.loan(3000).unwrap()),
        "cut" => {
            let mut loan = publisher.loan(3000).unwrap();
            loan.with(|bytes| bytes.fill(0xEE));
            loan.truncate(10);
            fill(loan);
        }
        "loan, and publish elsewhere" => {
            let loan = publisher.loan(3000).unwrap();
            elsewhere.publish("from inside").unwrap();
            fill(loan);
        }
        "loan both" => {
            let loan = publisher.loan(3000).unwrap();
            fill(elsewhere.loan(3000).unwrap());
            fill(loan);
        }
        task => panic!("{task}?"),
    }
    wait_for_death(&topic);
}

#[test]
fn a_process_killed_inside_a_loan_leaves_nothing() {
    root();
    for task in ["loan", "cut", "loan, and publish elsewhere", "loan both"] {
        let (topic, other) = (topic(), topic());
        // Room for one such loan and little else, so that the loan evicts.
        let options = FileOptions::default().size(5000);
        let publishers = [&topic, &other].map(|topic| Publisher::with_options(topic, &options).unwrap());
        for publisher in &publishers {
            for n in 0..8 {
                publisher.publish(n.to_string()).unwrap();
            }
        }
        let before = publishers.each_ref().map(|publisher| content(publisher.file()));
        let mut child = child(task, [&topic, &other]);
        until(|| root_of(&topic).exists());
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let started = Instant::now();
        for (publisher, mut before) in publishers.iter().zip(before) {
            let left = content(publisher.file());
            before.push("from inside".to_owned());
            assert!(before.ends_with(&left) || before[..8].ends_with(&left), "{task}: {left:?}");
            publisher.publish("after").unwrap();
            assert_eq!(content(publisher.file()), [&left[..], &["after".to_owned()]].concat(), "{task}");
            assert_sound(publisher.file());
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{task}: the lock was not handed on");
    }
}
