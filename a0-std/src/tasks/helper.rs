//! The one thread that waits for all topics which tasks and event loops wait for.
//!
//! It sleeps on the sleepers words of up to 127 topics at once. It looks at the others, the least recently asked for, every
//! 1 to 10 ms, and so at topics where no wake-up would reach it: those that were opened read-only or are used by 0.3
//! programs, and all of them on a kernel that cannot sleep on many words. With nothing to wait for it sleeps for good.

use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use a0_core::Cursor;
use a0_core::layout::header;
use a0_linux::{MAX_WORDS, PerProcess, wait_any};
use rustix::fd::OwnedFd;
use rustix::thread::futex;

use crate::callback;
use crate::error::{Error, Result};
use crate::file::File;

/// Bounds of one sleep: see [`a0_core::Transport::sleep`].
const SLEEP: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));

/// The same where a topic must be polled.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// A sleep with nothing to wait for.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Between two looks whether the files are still there: a system call for each.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

static HELPER: PerProcess<Helper> = PerProcess::new();

/// The thread, and what it is told.
#[derive(Debug, Default)]
struct Helper {
    book: Mutex<Waiters>,
    /// Counts the changes of the book; the thread sleeps on this word, too.
    changes: AtomicU32,
}

/// What is waited for, by the order in which it was asked for.
#[derive(Debug, Default)]
struct Waiters {
    started: bool,
    next: u64,
    orders: BTreeMap<u64, Order>,
}

/// Somebody to be told, once, that there is something behind a place.
#[derive(Debug)]
struct Order {
    file: File,
    cursor: Cursor,
    /// Not told before then: what there is can be read under the lock only, and somebody else has that.
    not_before: Option<Instant>,
    tell: Tell,
}

/// Who is told.
#[derive(Clone, Debug)]
pub(crate) enum Tell {
    Task(Waker),
    /// Becomes readable.
    Event(Arc<OwnedFd>),
}

/// A place in the book; dropped, it is struck out.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    order: Option<(&'static Helper, u64)>,
}

impl Bell {
    /// Tells once, as soon as there may be something behind the cursor, or the file is gone. Replaces what was asked for before.
    /// Somebody who was `contended` for it is told a little later.
    pub(crate) fn set(&mut self, file: &File, cursor: Cursor, contended: bool, tell: Tell) -> Result<()> {
        let not_before = contended.then(|| Instant::now() + POLL.1);
        let helper = HELPER.get();
        let mut book = helper.book();
        book.start(helper).map_err(|cause| Error::Thread { path: file.path().to_owned(), cause })?;
        let key = book.next;
        book.next += 1;
        book.orders.insert(key, Order { file: file.clone(), cursor, not_before, tell });
        let before = self.order.replace((helper, key));
        // That of the parent of a forked child is not heard there.
        let before = before.filter(|(of, _)| ptr::eq(*of, helper)).and_then(|(_, key)| book.orders.remove(&key));
        drop(book);
        // A waker may drop what has a bell of its own.
        drop(before);
        helper.changes.fetch_add(1, Ordering::SeqCst);
        // Can only fail for an address that is not mapped.
        let _ = futex::wake(&helper.changes, futex::Flags::empty(), 1);
        Ok(())
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let order = self.order.take().filter(|(helper, _)| ptr::eq(*helper, HELPER.get()));
        drop(order.and_then(|(helper, key)| helper.book().orders.remove(&key)));
    }
}

impl Helper {
    fn book(&self) -> MutexGuard<'_, Waiters> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiters {
    fn start(&mut self, helper: &'static Helper) -> std::io::Result<()> {
        if !self.started {
            thread::Builder::new().name("a0-tasks".to_owned()).spawn(|| run(helper))?;
            self.started = true;
        }
        Ok(())
    }

    /// Takes out the orders that are due. Gives them, the words to sleep on, and whether these are all.
    fn look(&mut self, patrol: bool) -> (Vec<Order>, Vec<(File, u32)>, bool) {
        let mut words = Vec::new();
        let mut all = true;
        let mut due = Vec::new();
        // The last ones first: they are the most likely to be heard of.
        for (&key, Order { file, cursor, not_before, .. }) in self.orders.iter().rev() {
            if not_before.is_some_and(|not_before| Instant::now() < not_before) {
                all = false;
                continue;
            }
            let topic = file.transport();
            let word = if words.len() < MAX_WORDS - 1 { topic.announce_sleeper() } else { None };
            // Behind the announcement.
            if topic.may_have_news(cursor) || (patrol && !file.is_removed().is_ok_and(|removed| !removed)) {
                due.push(key);
            } else if let Some(word) = word {
                words.push((file.clone(), word));
            } else {
                all = false;
            }
        }
        (due.into_iter().filter_map(|key| self.orders.remove(&key)).collect(), words, all)
    }
}

/// The thread.
fn run(helper: &Helper) {
    let changes = &helper.changes;
    let mut can_sleep = true;
    let mut next_patrol = Instant::now() + FILE_CHECK_INTERVAL;
    // Sleeps since somebody was told.
    let mut idle = 0;
    loop {
        let seen = changes.load(Ordering::SeqCst);
        let now = Instant::now();
        let patrol = now >= next_patrol;
        if patrol {
            next_patrol = now + FILE_CHECK_INTERVAL;
        }
        let (due, words, all) = helper.book().look(patrol);
        let nothing = due.is_empty() && words.is_empty() && all;
        if !due.is_empty() {
            idle = 0;
        }
        for order in due {
            order.tell.now();
        }
        let (shortest, longest) = if all && can_sleep { SLEEP } else { POLL };
        let at_most = if nothing { LONGEST_SLEEP } else { (shortest * (1 << idle)).min(longest) };
        idle = (idle + 1).min(8);
        if can_sleep {
            let topics = words.iter().map(|(file, word)| (file.transport().mem().atomic_u32(header::SLEEPERS), *word));
            can_sleep = wait_any([(changes, seen)].into_iter().chain(topics), at_most).is_ok();
        } else {
            sleep_alone(changes, seen, at_most);
        }
    }
}

/// Sleeps until the book changes.
fn sleep_alone(changes: &AtomicU32, seen: u32, at_most: Duration) {
    let at_most = rustix::time::Timespec {
        tv_sec: at_most.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // Ends for many reasons; whoever calls it looks again.
    let _ = futex::wait(changes, futex::Flags::empty(), seen, Some(&at_most));
}

impl Tell {
    /// Runs without any lock held.
    fn now(self) {
        match self {
            Tell::Task(waker) => callback::call(|| waker.wake()),
            Tell::Event(event) => {
                // It fails if it is readable to the limit, and then it is readable.
                let _ = rustix::io::write(&event, &1_u64.to_ne_bytes());
            }
        }
    }
}
