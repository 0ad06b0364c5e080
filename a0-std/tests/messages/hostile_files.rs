//! Files that are no topics, or were: every way to use them ends in an error that names the file, or in an exact count.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use a0_std::{Cfg, Error, File, FileOptions, Init, Iter, Mode, Protocol, ReaderSync, Writer};
use a0_testkit::private_root::{file, topic, write};

fn path() -> PathBuf {
    a0_testkit::private_root::root();
    let path = Protocol::PubSub.path(&topic()).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn open_errors(path: &PathBuf) -> Vec<String> {
    [Mode::Shared, Mode::Exclusive, Mode::ReadOnly]
        .into_iter()
        .map(|mode| File::open(path, &FileOptions::default().access(mode)).unwrap_err().to_string())
        .collect()
}

#[test]
fn what_is_no_topic_is_not_opened() {
    let mut bad_page = vec![0; 4096];
    bad_page[..16].copy_from_slice(b"ALEPHZERO\0\x03\0\x01\0\0\0");
    bad_page[136..144].copy_from_slice(&4096_u64.to_le_bytes());
    bad_page[128] = 7;
    let mut bad_version = bad_page.clone();
    bad_version[9] = 9;
    let mut bad_arena = bad_page.clone();
    bad_arena[128] = 0;
    bad_arena[136..144].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let cases: [(&[u8], &str); 7] = [
        (b"", "too"),
        (b"ALEPHZERO", "too"),
        (&[0x5A; 4096], "not an AlephZero topic"),
        (&[0xFF; 143], "too"),
        (&bad_page, "neither 0 nor 1"),
        (&bad_version, "version 9.3"),
        (&bad_arena, "arena size"),
    ];
    for (content, reason) in cases {
        let path = path();
        std::fs::write(&path, content).unwrap();
        for error in open_errors(&path) {
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert!(error.contains(reason), "{error}, expected {reason}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), content, "nothing was written into somebody else's file");
    }
}

#[test]
fn a_fresh_file_cannot_be_read_before_anybody_has_initialised_it() {
    let path = path();
    std::fs::write(&path, [0; 4096]).unwrap();
    let error = File::open(&path, &FileOptions::default().access(Mode::ReadOnly)).unwrap_err().to_string();
    assert!(error.contains("not initialised"), "{error}");
    File::open(&path, &FileOptions::default()).unwrap();
    File::open(&path, &FileOptions::default().access(Mode::ReadOnly)).unwrap();
}

/// Overwrites a word of a live topic and reads on, every way there is: never a hang, never wrong content.
#[test]
fn words_of_a_live_topic_go_bad() {
    let values = [0, 1, 7, 143, 144, 145, 4096, 1 << 40, u64::MAX, u64::MAX - 7, u64::MAX - 200];
    let frame = 144;
    let words: Vec<u64> = (48..128).step_by(8).chain([16, 136]).chain((frame..frame + 40).step_by(8)).collect();
    for mode in [Mode::Shared, Mode::ReadOnly] {
        for word in &words {
            for value in values {
                let file = file(4096);
                write(&file, &["0", "1", "2"]);
                let raw = std::fs::OpenOptions::new().write(true).open(file.path()).unwrap();
                let reading = File::open(file.path(), &FileOptions::default().access(mode)).unwrap();
                for iter in [Iter::Next, Iter::Newest] {
                    let mut reader = ReaderSync::new(&reading, (Init::Oldest, iter)).unwrap();
                    raw.write_all_at(&value.to_le_bytes(), *word).unwrap();
                    let mut steps = 0;
                    loop {
                        match reader.read() {
                            Ok(None) => break,
                            // A longer data_size makes the payload longer; nobody can tell that it is not.
                            Ok(Some(message)) => assert!(b"012".contains(&message.payload()[0])),
                            Err(Error::Topic { .. } | Error::BadMessage { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                        steps += 1;
                        assert!(steps < 200, "word {word} = {value}: no end");
                    }
                    match reader.read_blocking(Duration::from_millis(1)) {
                        Err(Error::Timeout { .. } | Error::Topic { .. }) => {}
                        other => panic!("{other:?}"),
                    }
                    let _ = ReaderSync::new(&reading, Init::MostRecent).map(|mut reader| reader.read().map(|_| ()));
                }
                if mode == Mode::Shared {
                    match Writer::new(&file).write("after") {
                        Ok(published) => {
                            let mut reader = ReaderSync::new(&file, Init::MostRecent).unwrap();
                            let message = reader.read().unwrap().unwrap();
                            assert_eq!((message.payload(), message.seq()), (&b"after"[..], published.seq));
                        }
                        Err(Error::Topic { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_damaged_link_costs_only_what_it_hides() {
    let file = file(4096);
    write(&file, &["0", "1", "2", "3", "4"]);
    let raw = std::fs::OpenOptions::new().write(true).open(file.path()).unwrap();
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    // Frame 3 of 5 starts at 144 + 2 * 96; its sequence number is its first word.
    raw.write_all_at(&99_u64.to_le_bytes(), 144 + 2 * 96).unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(reader.read().map(|m| m.map(|m| (m.seq(), m.missed()))).map_err(|e| e.to_string()));
    }
    assert_eq!(seen[0], Ok(Some((1, 0))));
    assert_eq!(seen[1], Ok(Some((2, 0))));
    assert!(seen[2].as_ref().unwrap_err().contains("frame 3 at offset 336 is damaged: seq"), "{:?}", seen[2]);
    assert_eq!(seen[3], Ok(Some((4, 1))));
    assert_eq!(seen[4], Ok(Some((5, 0))));
}

/// A topic in a sparse file, which costs a few pages however large it is. Its only message says that it fills it.
fn bloated(name: &str, size: u64) -> (File, std::fs::File) {
    let file = File::open(name, &FileOptions::default().size(size).reserve(false)).unwrap();
    write(&file, &["x"]);
    let raw = std::fs::OpenOptions::new().write(true).open(file.path()).unwrap();
    for (at, value) in [(144 + 32, size - 144 - 40), (80, size), (120, size)] {
        raw.write_all_at(&value.to_le_bytes(), at).unwrap();
    }
    (file, raw)
}

fn pages(file: &File) -> u64 {
    std::fs::metadata(file.path()).unwrap().blocks() / 8
}

fn is_damage<T>(found: &Result<T, Error>) -> bool {
    matches!(found, Err(Error::Topic { cause: a0_std::TopicError::Corrupt(_), .. }))
}

/// Neither the reader's memory nor the filesystem's: what lies in holes is passed over, and counted.
#[test]
fn a_message_that_lies_in_holes_costs_nothing() {
    for (size, mode) in [(1 << 40, Mode::Shared), (1 << 40, Mode::ReadOnly), (50 << 20, Mode::ReadOnly)] {
        for iter in [Iter::Next, Iter::Newest] {
            let (file, _) = bloated(&topic(), size);
            let before = pages(&file);
            let reading = File::open(file.path(), &FileOptions::default().access(mode)).unwrap();
            let mut reader = ReaderSync::new(&reading, (Init::Oldest, iter)).unwrap();
            assert!(is_damage(&reader.read().map(drop)), "{size} {mode:?} {iter:?}");
            assert!(reader.read().unwrap().is_none());
            assert!(pages(&file) <= before + 1, "{size}: {} pages", pages(&file));
            let published = Writer::new(&file).write("after").unwrap();
            let message = reader.read().unwrap().unwrap();
            assert_eq!((message.payload(), message.seq(), message.missed()), (&b"after"[..], published.seq, 1));
        }
    }
    let name = topic();
    let (file, raw) = bloated(&format!("{name}.cfg.a0"), 1 << 40);
    let cfg = Cfg::new(&name).unwrap();
    assert!(is_damage(&cfg.read().map(drop)) && is_damage(&cfg.merge_patch("{}")));
    // In place, only what precedes the payload is copied; here that says to be 512 GiB.
    raw.write_all_at(&(1_u64 << 35).to_le_bytes(), 144 + 40 + 37).unwrap();
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    assert!(matches!(reader.read_in_place(|_| ()), Err(Error::BadMessage { .. })));
    assert!(pages(&file) < 8, "{} pages", pages(&file));
}

/// What somebody has written is there, whatever size the file has; and a loan need not be filled to the end.
#[test]
fn large_messages_of_sparse_topics_are_read() {
    let file = File::open(topic(), &FileOptions::default().size(1 << 40).reserve(false)).unwrap();
    let writer = Writer::new(&file);
    let mut reader = ReaderSync::new(&file, ()).unwrap();
    for len in [100, 70_000, 3 << 20, 1 << 16, 8 << 20] {
        let payload = vec![7; len];
        writer.write(&payload).unwrap();
        assert!(reader.read().unwrap().unwrap().payload() == payload);
    }
    let mut loan = writer.loan(8 << 20).unwrap();
    loan.write_at(0, &vec![7; 5 << 20]);
    loan.commit();
    assert_eq!(reader.read().unwrap().unwrap().payload().len(), 8 << 20);
}
