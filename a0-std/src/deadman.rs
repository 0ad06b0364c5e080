//! Deadmen: who lives, and how others learn of its death.

mod followed_file;
mod owner;
mod state;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use a0_linux::{DeadmanFile, DeadmanLayout, DeadmanSight, FileError, FileOptions, PerProcess, Until};

use crate::env;
use crate::error::{Error, Result};
use crate::file::FILE_CHECK_INTERVAL;
use crate::topic::Protocol;

pub use state::{DeadmanState, Taken};

use followed_file::{Deadline, FollowedFile};
use owner::Owner;

/// How long the token of a deadman that was just taken may take to be counted up: one that is stopped, or waits for a
/// core, in between is waited for, but not for ever.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two looks for that token. A sleep, because an owner of lower priority would not run if we only yielded.
const TOKEN_CHECK_INTERVAL: Duration = Duration::from_micros(100);

/// A sign of life. One program at a time takes it, and has it until it releases it or dies, however it dies; others wait
/// for either, or just look.
///
/// The kernel tells of a death, so there are no heartbeats, and no timeouts to choose. A handle that has taken a deadman
/// keeps a thread for it, and can be used from any thread; dropping it releases the deadman. All other handles, in the
/// same process or elsewhere, see it as taken by somebody else, and so does a forked child.
///
/// If somebody removes the file of a deadman that is taken, its owner takes it in a new file within about 100 ms, or loses it
/// to whoever was faster there, and has it again when that one goes. Those who wait for its end get
/// [`Error::TopicRemoved`]. [`FileOptions::reopen`] says otherwise.
///
/// ```
/// # let root = tempfile::tempdir_in("/dev/shm").unwrap();
/// # unsafe { std::env::set_var("A0_ROOT", root.path()) };
/// use std::time::Duration;
/// use a0_std::Deadman;
///
/// let robot = Deadman::new("robot")?;
/// let taken = robot.try_take()?.expect("no other robot runs");
/// if taken.previous_owner_died {
///     println!("the last run did not end well");
/// }
///
/// // Elsewhere:
/// let watcher = Deadman::new("robot")?;
/// let token = watcher.wait_taken(Duration::from_secs(1))?;
/// # drop(robot);
/// watcher.wait_released(token, None)?;
/// println!("the robot is gone");
/// # Ok::<(), a0_std::Error>(())
/// ```
#[derive(Debug)]
pub struct Deadman {
    shared: Arc<FollowedFile>,
    /// A forked child has not got the thread of its parent, but can have one of its own.
    owner: PerProcess<Mutex<Option<Owner>>>,
}

/// Options of a deadman. A [`DeadmanLayout`], [`FileOptions`], or `()` convert into it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeadmanOptions {
    /// Which programs of AlephZero 0.3 are to understand a new file. An existing one stays as it is, and is understood
    /// either way.
    pub layout: DeadmanLayout,
    /// How the file is opened, and created if it does not exist; the size is that of the layout. Opened read-only, a deadman
    /// cannot be taken, and waits look at it a few hundred times a second; that is the way for those who may not write it,
    /// and for those in another PID namespace than its users.
    pub file: FileOptions,
}

impl From<()> for DeadmanOptions {
    fn from((): ()) -> Self {
        DeadmanOptions::default()
    }
}

impl From<DeadmanLayout> for DeadmanOptions {
    fn from(layout: DeadmanLayout) -> Self {
        DeadmanOptions { layout, ..Default::default() }
    }
}

impl From<FileOptions> for DeadmanOptions {
    fn from(file: FileOptions) -> Self {
        DeadmanOptions { file, ..Default::default() }
    }
}

impl Deadman {
    /// Opens the deadman of this name, creating it if it does not exist.
    ///
    /// # Errors
    /// [`Error::BadTopic`], [`Error::BadEnv`], [`Error::File`].
    pub fn new(topic: &str) -> Result<Deadman> {
        Deadman::with_options(topic, DeadmanOptions::default())
    }

    /// Opens the deadman of this name; the options say how it is created if it does not exist.
    ///
    /// # Errors
    /// As [`Deadman::new`].
    pub fn with_options(topic: &str, options: impl Into<DeadmanOptions>) -> Result<Deadman> {
        Deadman::open(Protocol::Deadman.path(topic)?, options)
    }

    /// Opens the deadman of this name if there is one, and never creates it.
    ///
    /// # Errors
    /// As [`Deadman::new`].
    pub fn open_existing(topic: &str) -> Result<Option<Deadman>> {
        match Deadman::with_options(topic, FileOptions::default().create(false)) {
            Err(Error::File(FileError::NotFound { .. })) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Opens a deadman's file. A relative path is below [`env::root`].
    ///
    /// # Errors
    /// [`Error::BadEnv`], [`Error::File`].
    pub fn open(path: impl AsRef<Path>, options: impl Into<DeadmanOptions>) -> Result<Deadman> {
        let options = options.into();
        let first = DeadmanFile::open(&env::resolve(path)?, &options.file, options.layout)?;
        let shared = FollowedFile {
            first,
            newest: PerProcess::new(),
            options: options.file,
            made: Instant::now(),
            next_look: AtomicU64::new(0),
            interrupted: AtomicBool::new(false),
            holder: AtomicU64::new(0),
        };
        Ok(Deadman { shared: Arc::new(shared), owner: PerProcess::new() })
    }

    /// The absolute path it was opened by.
    pub fn path(&self) -> &Path {
        self.shared.path()
    }

    /// Which programs of AlephZero 0.3 understand its file.
    pub fn layout(&self) -> DeadmanLayout {
        self.shared.file().layout()
    }

    /// Whether somebody has removed the file since it was opened; then no newcomer finds this deadman.
    ///
    /// # Errors
    /// [`Error::File`] if the system cannot tell.
    pub fn is_removed(&self) -> Result<bool> {
        Ok(self.shared.file().file().is_removed()?)
    }

    /// Takes it, unless somebody else has it: `None`. What was taken through this handle before stays taken.
    ///
    /// # Errors
    /// [`Error::Topic`] if the file was opened read-only or is damaged, [`Error::Thread`], [`Error::Interrupted`]; as
    /// [`Deadman::new`] if the file was removed and cannot be made anew.
    pub fn try_take(&self) -> Result<Option<Taken>> {
        let mut slot = self.owner();
        if let Some(owner) = &*slot {
            owner.look_after_the_file();
        }
        let mut seen = self.shared.file().look_closely();
        if seen.owner.is_none() {
            self.shared.follow()?;
            seen = self.shared.file().look_closely();
        }
        if !self.shared.is_holder(&seen) {
            if self.shared.is_interrupted() {
                return Err(self.shared.interrupted());
            }
            // So that no thread is started for nothing.
            if seen.owner.is_some() {
                return Ok(None);
            }
        }
        let owner = match &*slot {
            Some(owner) => owner,
            None => slot.insert(
                Owner::start(&self.shared).map_err(|cause| Error::Thread { path: self.path().to_owned(), cause })?,
            ),
        };
        owner.take().map_err(|source| self.shared.error(source))
    }

    /// Takes it, waiting until nobody else has it, or for `timeout`.
    ///
    /// # Errors
    /// [`Error::Timeout`]; as [`Deadman::try_take`].
    pub fn take(&self, timeout: impl Into<Option<Duration>>) -> Result<Taken> {
        let wait = Deadline::new(timeout);
        loop {
            if let Some(taken) = self.try_take()? {
                return Ok(taken);
            }
            // Also where it is free, and somebody keeps everybody from taking it.
            wait.check(&self.shared)?;
            self.shared.wait(&wait, Until::Released, true, |seen| seen.owner.is_none())?;
        }
    }

    /// Releases it.
    ///
    /// # Errors
    /// [`Error::NotOwner`] if it was not taken through this handle.
    pub fn release(&self) -> Result<()> {
        let slot = self.owner();
        if slot.as_ref().is_some_and(Owner::release) {
            return Ok(());
        }
        Err(Error::NotOwner { path: self.path().to_owned() })
    }

    /// What it looks like now. Makes a system call every 100 ms only, so it may be asked often, and never waits; but if the file
    /// was removed just now and this handle has the deadman, for the thread that takes it in the new one.
    ///
    /// An owner that did not die while this machine was up, but was there before or in a file that was copied, looks alive.
    /// Taking and waiting notice.
    ///
    /// # Errors
    /// [`Error::TopicRemoved`] if the file was removed, unless the deadman was taken through this handle, and so anew.
    pub fn state(&self) -> Result<DeadmanState> {
        let now = self.shared.made.elapsed().as_nanos() as u64;
        if now >= self.shared.next_look.load(Ordering::Relaxed) {
            if self.is_removed()? {
                match self.owner.get().try_lock().as_deref() {
                    Ok(Some(owner)) => owner.look_after_the_file(),
                    // Somebody is just taking or releasing it: the next look will tell.
                    Err(TryLockError::WouldBlock) => return Ok(self.look()),
                    _ => {}
                }
                if self.is_removed()? {
                    return Err(self.shared.removed());
                }
            }
            self.shared.next_look.store(now + FILE_CHECK_INTERVAL.as_nanos() as u64, Ordering::Relaxed);
        }
        Ok(self.look())
    }

    fn look(&self) -> DeadmanState {
        let seen = self.shared.file().look();
        let owner = seen.owner.filter(|_| seen.taken);
        let is_owner = self.shared.is_holder(&seen);
        let DeadmanSight { taken, token, owner_died, other_namespace, .. } = seen;
        DeadmanState { taken, owner, token, is_owner, owner_died, other_namespace }
    }

    /// The token, and whether somebody has it; `None` while somebody is just taking or releasing it. Of the file that was
    /// opened, also when it was removed.
    pub(crate) fn count(&self) -> Option<(u64, bool)> {
        let seen = self.shared.first.look();
        (seen.taken || seen.owner.is_none()).then_some((seen.token, seen.taken))
    }

    /// Whether nobody has it in the file that was opened, and nobody will, because that was removed.
    pub(crate) fn is_left(&self) -> bool {
        self.shared.first.look().owner.is_none() && self.shared.first.file().is_removed().unwrap_or(false)
    }

    /// Whether its last owner died in the file that was opened.
    pub(crate) fn has_died(&self) -> bool {
        self.shared.first.look().owner_died
    }

    /// Waits until somebody has it; gives the token.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Interrupted`], [`Error::Topic`].
    pub fn wait_taken(&self, timeout: impl Into<Option<Duration>>) -> Result<u64> {
        let mut before = None;
        let mut seen = self.shared.wait(&Deadline::new(timeout), Until::Taken, true, |seen| {
            if seen.owner.is_none() {
                before = Some(seen.token);
            }
            seen.taken
        })?;
        // Programs of 0.3 say that they have it a moment before they count.
        let give_up = Instant::now() + TOKEN_TIMEOUT;
        while seen.taken && before == Some(seen.token) && Instant::now() < give_up {
            thread::sleep(TOKEN_CHECK_INTERVAL);
            seen = self.shared.file().look();
        }
        Ok(seen.token)
    }

    /// Waits until whoever took it with this token has released it or died. Returns at once if that has happened already.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Interrupted`], [`Error::Topic`]; [`Error::TopicRemoved`] if somebody has removed the file:
    /// its owner may have it in another one by now.
    pub fn wait_released(&self, token: u64, timeout: impl Into<Option<Duration>>) -> Result<()> {
        let gone = |seen: &DeadmanSight| !seen.taken || seen.token != token;
        let seen = self.shared.wait(&Deadline::new(timeout), Until::Released, false, gone)?;
        // Only of a death the file tells that nobody looks at any more.
        if !seen.owner_died && self.is_removed()? {
            return Err(self.shared.removed());
        }
        Ok(())
    }

    /// A handle with which another thread can end blocked calls of this one for good, without releasing anything.
    pub fn interrupter(&self) -> DeadmanInterrupter {
        DeadmanInterrupter { shared: Arc::clone(&self.shared) }
    }

    /// The thread that has it for this handle, if there is one.
    fn owner(&self) -> MutexGuard<'_, Option<Owner>> {
        self.owner.get().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends blocked [`Deadman::take`], [`Deadman::wait_taken`] and [`Deadman::wait_released`] from another thread, for good:
/// every later one ends at once, too. What was taken stays taken.
#[derive(Clone, Debug)]
pub struct DeadmanInterrupter {
    shared: Arc<FollowedFile>,
}

impl DeadmanInterrupter {
    /// Ends what blocks, now or as soon as it begins; a tenth of a second later in rare cases.
    pub fn interrupt(&self) {
        self.shared.interrupted.store(true, Ordering::SeqCst);
        self.shared.file().wake_all();
    }

    /// Whether [`DeadmanInterrupter::interrupt`] was called.
    pub fn is_interrupted(&self) -> bool {
        self.shared.is_interrupted()
    }
}
