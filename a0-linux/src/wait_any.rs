//! Sleeping on many words at once.

use core::ptr;
use core::sync::atomic::AtomicU32;
use core::time::Duration;

use a0_core::LockError;
use rustix::io::Errno;
use rustix::thread::futex::{self, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::ClockId;

use crate::futex::{deadline, os};

/// Words that [`wait_any`] can sleep on.
pub const MAX_WORDS: usize = 128;

/// Sleeps while each word has its value, at most `timeout`; may return early for any reason. Words behind the
/// [`MAX_WORDS`]th are passed over.
///
/// # Errors
/// [`LockError::Os`], for instance where the kernel is older than Linux 5.16 and cannot do this.
pub fn wait_any<'w>(words: impl IntoIterator<Item = (&'w AtomicU32, u32)>, timeout: Duration) -> Result<(), LockError> {
    let mut waits = [Wait::new(); MAX_WORDS];
    let mut count = 0;
    for (wait, (word, expected)) in waits.iter_mut().zip(words) {
        wait.val = expected.into();
        wait.uaddr = WaitPtr::new(ptr::from_ref(word).cast_mut().cast());
        wait.flags = WaitFlags::SIZE_U32;
        count += 1;
    }
    let until = deadline(ClockId::Monotonic, timeout);
    match futex::waitv(&waits[..count], WaitvFlags::empty(), Some(&until), ClockId::Monotonic) {
        Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(errno) => Err(os(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::futex::wake_all;
    use std::sync::atomic::Ordering;
    use std::thread;
    use std::time::Instant;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn any_of_many_words_wakes() {
        let words: [AtomicU32; MAX_WORDS] = [const { AtomicU32::new(7) }; MAX_WORDS];
        for which in [0, 1, MAX_WORDS - 1] {
            thread::scope(|scope| {
                let sleeper = scope.spawn(|| {
                    while words[which].load(Ordering::SeqCst) == 7 {
                        wait_any(words.iter().map(|word| (word, 7)), PATIENCE).unwrap();
                    }
                });
                let started = Instant::now();
                words[which].store(8, Ordering::SeqCst);
                while !sleeper.is_finished() {
                    wake_all(&words[which]);
                }
                assert!(started.elapsed() < PATIENCE);
            });
            words[which].store(7, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_ends_in_time_and_where_a_word_has_changed() {
        let word = AtomicU32::new(1);
        let started = Instant::now();
        wait_any([(&word, 1)], Duration::from_millis(20)).unwrap();
        assert!(started.elapsed() >= Duration::from_millis(15));
        wait_any([(&word, 2)], PATIENCE).unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
}
