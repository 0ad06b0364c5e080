//! A process may be killed between any two stores: every prefix of the stores of every operation.
//!
//! A crash is never simulated by a panic: unwinding would run the destructor that releases the lock.

mod case;
mod every_state;

use a0_core::{ReadOnly, Transport, Unshared};
use a0_testkit::{CrashLock, Guard, StoreLog};

use case::{Case, Tampered, messages, push, push_each, topic};

const V6_BEFORE: &[u8] = include_bytes!("../../../a0-core/tests/golden/v6_before.bin");

/// `D` needs the place of `A`.
fn evicting_one() -> Case {
    let before = topic(400, |topic| push_each(topic, b"ABC"));
    let stages = vec![messages(1, b"ABC"), messages(2, b"BC"), messages(2, b"BCD")];
    Case::new(before, |topic| push_each(topic, b"D"), stages)
}

fn publishing() -> Case {
    let before = topic(400, |topic| push_each(topic, b"A"));
    Case::new(before, |topic| push_each(topic, b"B"), vec![messages(1, b"A"), messages(1, b"AB")])
}

fn initialising() -> Case {
    Case::new(vec![0; 512], |_| (), vec![vec![]])
}

fn upgrading(index: u8) -> Case {
    let mut before = V6_BEFORE.to_vec();
    if index == 0 {
        // The state on the other page.
        before.copy_within(88..120, 56);
        before[88..124].fill(0);
    }
    Case::new(before, |_| (), vec![vec![(1, b"aaaa".to_vec()), (2, b"bbbb".to_vec())]])
}

#[track_caller]
fn passes(case: Case) {
    case.check().unwrap_or_else(|violation| panic!("{violation}"));
}

#[track_caller]
fn is_caught(case: Case) {
    let guard = case.guard;
    let violation = case.check().expect_err("a guard is missing, and nothing was noticed");
    println!("{guard:?}: {violation}");
}

#[test]
fn publish() {
    passes(publishing());
    let empty = topic(400, |_| ());
    passes(Case::new(empty, |topic| push_each(topic, b"A"), vec![vec![], messages(1, b"A")]));
}

#[test]
fn publish_evicting_one() {
    passes(evicting_one());
}

#[test]
fn publish_evicting_several() {
    let before = topic(512, |topic| push_each(topic, b"ABCDEFG"));
    let old = messages(4, b"DEFG");
    let new = vec![(7, vec![b'G'; 40]), (8, vec![b'H'; 88])];
    let stages = vec![old, messages(7, b"G"), new];
    passes(Case::new(before, |topic| push(topic, &[b'H'; 88]), stages));
}

#[test]
fn publish_evicting_all() {
    let before = topic(400, |topic| push_each(topic, b"ABC"));
    let stages = vec![messages(1, b"ABC"), vec![], vec![(4, vec![b'D'; 200])]];
    passes(Case::new(before, |topic| push(topic, &[b'D'; 200]), stages));
}

#[test]
fn publish_at_the_start_onto_free_space() {
    let before = topic(400, |topic| {
        push_each(topic, b"ABC");
        // Evicts `A` and is then dropped.
        topic.lock(None).and_then(|mut locked| locked.alloc(40).map(drop)).expect("it fits");
    });
    let stages = vec![messages(2, b"BC"), messages(2, b"BCD")];
    passes(Case::new(before, |topic| push_each(topic, b"D"), stages));
}

#[test]
fn several_frames_in_one_commit() {
    fn three(topic: &Tampered<'_>) {
        let mut locked = topic.lock(None).expect("free");
        for byte in *b"XYZ" {
            locked.alloc(40).expect("it fits").write(0, &[byte; 40]);
        }
        locked.commit();
    }
    let before = topic(800, |topic| push_each(topic, b"A"));
    passes(Case::new(before, three, vec![messages(1, b"A"), messages(1, b"AXYZ")]));

    // `Y` evicts `A` and publishes `X` by that; `Z` evicts `B`.
    let before = topic(400, |topic| push_each(topic, b"AB"));
    let stages = vec![messages(1, b"AB"), messages(2, b"BX"), messages(3, b"XY"), messages(3, b"XYZ")];
    passes(Case::new(before, three, stages));
}

#[test]
fn uncommitted_frames() {
    fn dropped(topic: &Tampered<'_>) {
        let mut locked = topic.lock(None).expect("free");
        locked.alloc(40).expect("it fits").write(0, &[b'X'; 40]);
        locked.alloc(24).expect("it fits").write(0, &[b'Y'; 24]);
    }
    let before = topic(800, |topic| push_each(topic, b"AB"));
    passes(Case::new(before, dropped, vec![messages(1, b"AB")]));
}

/// A frame with room for `size` bytes is filled in two parts, cut to `cut`, and committed.
fn lend(size: u64, cut: u64) -> impl Fn(&Tampered<'_>) {
    move |topic| {
        let mut loan = topic.lock(None).and_then(|locked| locked.loan(size)).expect("it fits");
        loan.write(0, &vec![b'D'; size as usize / 2]);
        loan.write(size / 2, &vec![b'D'; (size - size / 2) as usize]);
        loan.truncate(cut);
        loan.commit();
    }
}

#[test]
fn loans() {
    let empty = topic(400, |_| ());
    passes(Case::new(empty, lend(40, 40), vec![vec![], vec![(1, vec![b'D'; 40])]]));
    for cut in [40, 17, 0] {
        // Evicts `A`, and is cut or not.
        let stages = || {
            let mut last = messages(2, b"BC");
            last.push((4, vec![b'D'; cut as usize]));
            vec![messages(1, b"ABC"), messages(2, b"BC"), last]
        };
        let before = || topic(400, |topic| push_each(topic, b"ABC"));
        passes(Case::new(before(), lend(40, cut), stages()));
        is_caught(Case::new(before(), lend(40, cut), stages()).without(Guard::EvictionCommit));
        // Evicts all.
        let stages = vec![messages(1, b"ABC"), vec![], vec![(4, vec![b'D'; cut as usize])]];
        passes(Case::new(before(), lend(200, cut), stages));
    }
}

#[test]
fn loans_that_are_dropped() {
    let dropped: fn(&Tampered<'_>) = |topic| {
        let mut loan = topic.lock(None).and_then(|locked| locked.loan(40)).expect("it fits");
        loan.write(0, &[b'X'; 40]);
        loan.truncate(8);
    };
    let before = topic(800, |topic| push_each(topic, b"AB"));
    passes(Case::new(before, dropped, vec![messages(1, b"AB")]));
    let before = topic(400, |topic| push_each(topic, b"ABC"));
    passes(Case::new(before, dropped, vec![messages(1, b"ABC"), messages(2, b"BC")]));
}

#[test]
fn clear() {
    let before = topic(400, |topic| push_each(topic, b"ABCD"));
    let clear: fn(&Tampered<'_>) = |topic| topic.lock(None).and_then(|mut l| l.clear()).expect("numbers left");
    passes(Case::new(before, clear, vec![messages(2, b"BCD"), vec![]]));
}

#[test]
fn resize() {
    let before = topic(800, |topic| push_each(topic, b"ABC"));
    let shrink: fn(&Tampered<'_>) = |topic| topic.lock(None).and_then(|mut l| l.resize(400)).expect("enough");
    passes(Case::new(before, shrink, vec![messages(1, b"ABC")]));
}

#[test]
fn initialisation() {
    passes(initialising());
}

#[test]
fn upgrade_from_0_2() {
    passes(upgrading(1));
    passes(upgrading(0));
}

/// The size's low half is 0, and it lands where 0.2 has its page index.
#[test]
fn upgrade_of_4_gib() {
    for index in [0, 1] {
        let mut case = upgrading(index);
        case.before.resize(2048, 0);
        passes(Case { size: 1 << 32, ..case });
    }
}

#[test]
fn eviction_commit_is_needed() {
    is_caught(evicting_one().without(Guard::EvictionCommit));
}

#[test]
fn page_before_flip_is_needed() {
    is_caught(publishing().without(Guard::PageBeforeFlip));
    is_caught(evicting_one().without(Guard::PageBeforeFlip));
}

#[test]
fn working_page_refresh_is_needed() {
    is_caught(publishing().without(Guard::WorkingPageRefresh));
}

#[test]
fn marks_must_come_last() {
    is_caught(initialising().without(Guard::MarkLast));
    is_caught(upgrading(1).without(Guard::MarkLast));
    is_caught(upgrading(0).without(Guard::MarkLast));
}

/// A lock that keeps the owner's death to itself.
#[test]
fn news_of_the_death_is_needed() {
    is_caught(Case { lock: CrashLock::default, ..publishing() });
    is_caught(Case { lock: CrashLock::default, ..evicting_one() });
}

/// Repairing a damaged list gives up frames that readers still believe in, so it is an eviction: it must be committed
/// before one of their bytes changes.
#[test]
fn repair_is_committed_before_lost_frames_change() {
    let mut before = topic(560, |topic| push_each(topic, b"ABCDE"));
    // Frames 1 to 3 no longer lead to 4 and 5 at 384 and 464; the next frame goes to 144.
    before[384 + 24..][..8].fill(0);
    before[144 + 16..][..8].fill(0);
    let log = StoreLog::new(&before);
    push(&Transport::open(&log, Unshared).expect("sound header"), &[b'F'; 60]);
    for image in log.images() {
        let state =
            Transport::open_read_only(&StoreLog::new(&image), ReadOnly).and_then(|t| t.state()).expect("readable");
        assert!(image[144..384] == before[144..384] || state.seq_low >= 4, "{state:?}");
    }
}
