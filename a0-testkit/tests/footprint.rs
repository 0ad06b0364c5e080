//! What an operation stores, and into how many cache lines: the part of its cost that no clock is needed for.
//!
//! Each line that a publisher stores to is one that readers on other processors must fetch anew. So these numbers may go down
//! at will, and up only for a reason.

use a0_core::{Cursor, Error, Select, Transport};
use a0_testkit::{CrashLock, StoreLog};

/// The lock's own word is not counted. It lies in the first line, which each publish stores to.
type Topic<'m> = Transport<&'m StoreLog, CrashLock>;

/// Stores, with payloads in pieces of 8 bytes, and the cache lines stored to.
fn footprint<T>(topic: &Topic<'_>, operation: impl FnOnce(&Topic<'_>) -> Result<T, Error>) -> (usize, Vec<usize>) {
    topic.mem().mark();
    operation(topic).expect("it works");
    (topic.mem().stores(), topic.mem().lines().into_iter().collect())
}

fn publish(topic: &Topic<'_>, size: usize) -> (usize, Vec<usize>) {
    footprint(topic, |topic| topic.lock(None)?.push(&vec![7; size]))
}

/// Making a state the committed one: the five words of a page, the index, the event counter.
const COMMIT: usize = 5 + 1 + 1;
/// Making the other page the same.
const REFRESH: usize = 5;
/// Sequence number, offset, two links, size.
const FRAME: usize = 5;
/// The previous frame's link to this one.
const LINK: usize = 1;
/// Where lock, pages and index are.
const HEADER: [usize; 3] = [0, 1, 2];

#[test]
fn what_a_publish_stores() {
    let log = StoreLog::new(&[0; 1024]);
    let topic = Transport::open(&log, CrashLock::default()).expect("zeroed memory");
    let expect = |size: usize, stores: usize, lines: &[usize]| {
        assert_eq!(publish(&topic, size), (stores, [&HEADER, lines].concat()), "{:?}", topic.state());
    };
    // The first frame lies at 144, in lines 2 and 3.
    expect(64, COMMIT + FRAME + 8 + REFRESH, &[3]);
    // At 256, in lines 4 and 5; the link at 160 is in line 2.
    expect(64, COMMIT + FRAME + 8 + LINK + REFRESH, &[4, 5]);
    // At 368.
    expect(0, COMMIT + FRAME + LINK + REFRESH, &[4, 5, 6]);
    // At 416 and on, with a line for the link, and another one each time that a frame begins in the middle of one.
    for lines in [&[6, 7, 8][..], &[6, 8, 9], &[8, 10, 11], &[10, 11, 12, 13], &[12, 13, 14, 15]] {
        expect(64, COMMIT + FRAME + 8 + LINK + REFRESH, lines);
    }
    // Back to the start, each evicting one.
    expect(64, COMMIT + COMMIT + FRAME + 8 + LINK + REFRESH, &[3, 13]);
    expect(64, COMMIT + COMMIT + FRAME + 8 + LINK + REFRESH, &[4, 5]);
    // And four at once, in one commit.
    expect(300, COMMIT + COMMIT + FRAME + 38 + LINK + REFRESH, &[4, 5, 6, 7, 8, 9, 10, 11]);
}

#[test]
fn reading_stores_nothing() {
    let log = StoreLog::new(&[0; 1024]);
    let topic = Transport::open(&log, CrashLock::default()).expect("zeroed memory");
    publish(&topic, 64);
    publish(&topic, 64);
    let mut cursor = Cursor::oldest(&topic).expect("sound");
    let mut buffer = [0; 64];
    for found in [true, true, false] {
        let stored = footprint(&topic, |topic| {
            let read = topic.read(&mut cursor, Select::Next, &mut &mut buffer[..])?;
            assert_eq!(read.is_some(), found);
            Ok(())
        });
        assert_eq!(stored, (0, vec![]));
    }
}
