//! The topic lock in threads in which others use the kernel's robust list, too, or nobody may.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::mem::zeroed;
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use a0_core::layout::header;
use a0_core::{Acquired, Cursor, Lock, LockError, Mem, RawMem, Select, Transport};
use a0_linux::{FileOptions, Mapping, RobustLock, TopicFile, thread_id};
use tempfile::TempDir;

/// Much longer than anything takes, on busy machines, too.
const PATIENCE: Duration = Duration::from_secs(20);

const OWNER: u32 = 0x3FFF_FFFF;
const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("a0-robust.").tempdir_in("/dev/shm").unwrap()
}

fn topics<const N: usize>(dir: &Path) -> [RawMem<Mapping>; N] {
    let options = FileOptions::default().size(4096);
    let mut names = 0..;
    [(); N].map(|()| TopicFile::open(&dir.join(names.next().unwrap().to_string()), &options).unwrap().1)
}

fn hold(mem: &RawMem<Mapping>) -> bool {
    RobustLock.lock(mem, Some(PATIENCE)) == Ok(Acquired::Clean)
}

fn pass(mem: &RawMem<Mapping>) -> bool {
    let held = hold(mem);
    RobustLock.unlock(mem);
    held
}

/// Whether the kernel has found its owner dead.
fn is_marked(mem: &RawMem<Mapping>) -> bool {
    mem.load_u32(header::LOCK_WORD, SeqCst) & (OWNER | OWNER_DIED) == OWNER_DIED
}

/// What the next one finds, whoever has found out.
fn inherits(mem: &RawMem<Mapping>) -> bool {
    let inherited = RobustLock.lock(mem, Some(PATIENCE)) == Ok(Acquired::OwnerDied);
    RobustLock.unlock(mem);
    inherited && pass(mem)
}

/// A process that does this, and dies with all that it holds.
#[track_caller]
fn dies(life: impl FnOnce() -> bool) {
    // SAFETY: the child uses nothing that another thread of the parent may have held, but for memory, which the C library
    // sees to.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let as_expected = life();
        // SAFETY: ends the child without running anything of the test's.
        unsafe { libc::_exit(i32::from(!as_expected)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made and stores into a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "not as expected in the child");
}

/// Memory that a child shares.
fn shared<T>() -> NonNull<T> {
    let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, at an address that the kernel chooses, and never unmapped.
    let memory = unsafe { libc::mmap(null_mut(), 4096, rights, kind, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    NonNull::new(memory.cast()).unwrap()
}

/// A robust mutex of the C library, as LMDB has one, between processes.
#[derive(Clone, Copy)]
struct Robust(NonNull<libc::pthread_mutex_t>);

impl Robust {
    fn new() -> Robust {
        let mutex = shared();
        // SAFETY: all zeros are a valid value to be initialised.
        let mut kind: libc::pthread_mutexattr_t = unsafe { zeroed() };
        // SAFETY: an attribute of this function.
        assert_eq!(unsafe { libc::pthread_mutexattr_init(&raw mut kind) }, 0);
        // SAFETY: just initialised.
        assert_eq!(unsafe { libc::pthread_mutexattr_setpshared(&raw mut kind, libc::PTHREAD_PROCESS_SHARED) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::pthread_mutexattr_setrobust(&raw mut kind, libc::PTHREAD_MUTEX_ROBUST) }, 0);
        // SAFETY: in memory of its own that nobody uses yet.
        assert_eq!(unsafe { libc::pthread_mutex_init(mutex.as_ptr(), &raw const kind) }, 0);
        Robust(mutex)
    }

    fn lock(self) -> bool {
        // SAFETY: initialised, and never freed.
        unsafe { libc::pthread_mutex_lock(self.0.as_ptr()) == 0 }
    }

    fn unlock(self) -> bool {
        // SAFETY: as above, and locked by this thread.
        unsafe { libc::pthread_mutex_unlock(self.0.as_ptr()) == 0 }
    }

    /// Whether its owner died, and that is known.
    fn is_inherited(self) -> bool {
        // SAFETY: as above.
        unsafe { libc::pthread_mutex_trylock(self.0.as_ptr()) == libc::EOWNERDEAD }
    }
}

/// The kernel's `struct robust_list_head`.
#[repr(C)]
struct Head {
    first: *const Head,
    word_offset: isize,
    pending: usize,
}

fn registered() -> *mut Head {
    let (mut head, mut len) = (null_mut::<Head>(), 0_usize);
    // SAFETY: stores the results into the locals.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    assert_eq!(result, 0);
    head
}

/// Registers an empty list as the 0.3 C library does, and whatever else has one of its own.
fn register_another() {
    let head = Box::leak(Box::new(Head { first: std::ptr::null(), word_offset: 16, pending: 0 }));
    head.first = &raw const *head;
    // SAFETY: a head that is never freed.
    assert_eq!(unsafe { libc::syscall(libc::SYS_set_robust_list, &raw const *head, size_of::<Head>()) }, 0);
}

#[test]
fn threads_that_publish_keep_their_robust_mutexes() {
    let dir = folder();
    let [a, b] = topics(dir.path());
    let lives: [(&str, &dyn Fn(Robust) -> bool); 5] = [
        ("after", &|mutex| pass(&a) && mutex.lock()),
        ("after two", &|mutex| {
            let held = hold(&a) && hold(&b);
            RobustLock.unlock(&a);
            RobustLock.unlock(&b);
            held && mutex.lock()
        }),
        ("around", &|mutex| pass(&a) && mutex.lock() && pass(&a) && pass(&b)),
        ("around two", &|mutex| {
            let held = mutex.lock() && hold(&a) && hold(&b);
            RobustLock.unlock(&b);
            RobustLock.unlock(&a);
            held
        }),
        ("inside", &|mutex| {
            let held = hold(&a) && mutex.lock();
            RobustLock.unlock(&a);
            held && pass(&b)
        }),
    ];
    for (when, life) in lives {
        let mutex = Robust::new();
        dies(|| life(mutex));
        assert!(mutex.is_inherited(), "{when}");
        assert!(pass(&a) && pass(&b), "{when}");
    }
}

#[test]
fn topics_that_are_held_beside_robust_mutexes_are_inherited() {
    let dir = folder();
    let [a, b] = topics(dir.path());
    // The kernel finds both.
    let mutex = Robust::new();
    dies(|| mutex.lock() && hold(&a));
    assert!(is_marked(&a) && inherits(&a) && mutex.is_inherited());
    // Of the topics, it finds the inner one; that is told once, too.
    let mutex = Robust::new();
    dies(|| mutex.lock() && hold(&a) && hold(&b));
    assert!(is_marked(&b) && inherits(&a) && inherits(&b) && mutex.is_inherited());
    // The C library has withdrawn our announcement.
    let mutex = Robust::new();
    dies(|| hold(&a) && mutex.lock());
    assert!(inherits(&a) && mutex.is_inherited());
    // Whoever waits for it in the kernel is not forgotten.
    let mutex = Robust::new();
    let is_queued: NonNull<AtomicU32> = shared();
    // SAFETY: never unmapped.
    let is_queued = unsafe { is_queued.as_ref() };
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            while a.load_u32(header::LOCK_WORD, SeqCst) == 0 {
                thread::yield_now();
            }
            inherits(&a)
        });
        scope.spawn(|| {
            while a.load_u32(header::LOCK_WORD, SeqCst) & WAITERS == 0 {
                thread::yield_now();
            }
            is_queued.store(1, SeqCst);
        });
        dies(|| {
            let held = hold(&a) && mutex.lock();
            while is_queued.load(SeqCst) == 0 {
                thread::yield_now();
            }
            held
        });
        assert!(waiter.join().unwrap());
    });
    // A further lock has announced it again.
    let mutex = Robust::new();
    dies(|| hold(&a) && mutex.lock() && mutex.unlock() && hold(&b));
    assert!(is_marked(&a) && is_marked(&b) && inherits(&a) && inherits(&b));
}

/// As another copy of this library in the same process leaves it: its lock is pending, and no business of ours.
#[test]
fn what_another_library_has_announced_stays_announced() {
    let dir = folder();
    let [a, b] = topics(dir.path());
    let theirs: NonNull<AtomicU32> = shared();
    // SAFETY: never unmapped.
    let word = unsafe { theirs.as_ref() };
    let announce = || {
        word.store(thread_id(), SeqCst);
        let head = registered();
        // SAFETY: this thread's head, which nobody else uses now.
        let head = unsafe { &mut *head };
        head.pending = theirs.addr().get().wrapping_add_signed(-head.word_offset) | 1;
        (registered(), head.pending)
    };
    let lives: [(&str, &dyn Fn() -> bool, usize); 4] = [
        ("passed", &|| pass(&a), 0),
        ("held", &|| hold(&a), 1),
        ("two held", &|| hold(&a) && hold(&b), 2),
        (
            "one of two released",
            &|| {
                let held = hold(&b) && hold(&a);
                RobustLock.unlock(&b);
                held
            },
            1,
        ),
    ];
    for (when, life, held) in lives {
        dies(|| {
            // A lock before that, so that the thread is known already; or not.
            let known = held == 0 || pass(&b);
            let (head, pending) = announce();
            // SAFETY: as above.
            known && life() && (held > 0 || registered() == head && unsafe { (*head).pending } == pending)
        });
        assert_eq!(word.load(SeqCst) & (OWNER | OWNER_DIED), OWNER_DIED, "{when}");
        let inherited = [&a, &b].into_iter().take(held).all(|mem| is_marked(mem) && inherits(mem));
        assert!(inherited && pass(&a) && pass(&b), "{when}");
    }
}

#[test]
fn a_list_that_somebody_registers_later_costs_no_topic() {
    let dir = folder();
    let [a, b] = topics(dir.path());
    dies(|| {
        let passed = pass(&a);
        register_another();
        passed && hold(&a)
    });
    assert!(inherits(&a));
    // It is found after a while, and at once by whoever locks a second topic.
    dies(|| {
        let passed = pass(&a);
        register_another();
        passed && (0..10_000).all(|_| pass(&a)) && hold(&a)
    });
    assert!(is_marked(&a) && inherits(&a));
    dies(|| {
        let held = hold(&a);
        register_another();
        held && hold(&b)
    });
    assert!(is_marked(&a) && is_marked(&b) && inherits(&a) && inherits(&b));
    // And while two are held.
    dies(|| {
        let held = hold(&a) && hold(&b);
        register_another();
        let head = registered();
        RobustLock.unlock(&b);
        held && registered() == head
    });
    assert!(is_marked(&a) && inherits(&a) && pass(&b));
}

/// A lock that bears this thread's id may be that of another library in this thread; if there is none, it belonged to a
/// thread that had the same id.
#[test]
fn a_lock_of_another_library_in_this_thread_is_not_taken_over() {
    let dir = folder();
    let [mem] = topics(dir.path());
    mem.store_u32(header::LOCK_WORD, thread_id(), SeqCst);
    let mutex = Robust::new();
    assert!(mutex.lock());
    assert_eq!(RobustLock.lock(&mem, None), Err(LockError::Recursive));
    assert_eq!(RobustLock.try_lock(&mem), Ok(None));
    assert!(mutex.unlock());
    assert!(inherits(&mem));
}

/// Lets this process make neither of these system calls any more.
fn refuse([one, other]: [libc::c_long; 2]) {
    let statement = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let ret = libc::BPF_RET | libc::BPF_K;
    let mut filter = [
        // The number of the system call.
        statement(load, 0, 0, 0),
        statement(equal, one as u32, 1, 0),
        statement(equal, other as u32, 0, 1),
        statement(ret, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0, 0),
        statement(ret, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: takes rights from this process only.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: a filter with its length, which is copied.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) }, 0);
}

#[test]
fn where_robust_lists_are_refused_writing_is_an_error_and_reading_is_not() {
    let dir = folder();
    let [mem] = topics(dir.path());
    let topic = Transport::open(mem, RobustLock).unwrap();
    topic.lock(None).unwrap().push(b"news").unwrap();
    dies(|| {
        refuse([libc::SYS_get_robust_list, libc::SYS_set_robust_list]);
        let refused = Err(LockError::Fragile { errno: libc::ENOSYS });
        let mut cursor = Cursor::oldest(&topic).unwrap();
        let read = topic.read(&mut cursor, Select::Next, &mut &mut [0; 64][..]);
        RobustLock.lock(topic.mem(), None) == refused
            && RobustLock.try_lock(topic.mem()) == refused.map(Some)
            && RobustLock.wait_requeue(topic.mem(), 0, Duration::from_millis(1)) == Ok(None)
            && read.is_ok()
    });
    assert!(pass(topic.mem()));
    // Whoever accepts that leaves it to the next one to find out.
    dies(|| {
        refuse([libc::SYS_get_robust_list, libc::SYS_set_robust_list]);
        // SAFETY: this process has only one thread.
        unsafe { std::env::set_var("A0_FRAGILE_LOCKS", "1") };
        pass(topic.mem()) && hold(topic.mem())
    });
    assert!(inherits(topic.mem()));
    // Where it only cannot see which list is registered, it leaves that one alone.
    let (mutex, [other]) = (Robust::new(), topics(dir.path().join("other").as_path()));
    dies(|| {
        refuse([libc::SYS_get_robust_list; 2]);
        // SAFETY: as above.
        unsafe { std::env::set_var("A0_FRAGILE_LOCKS", "1") };
        let held = hold(topic.mem()) && hold(&other);
        RobustLock.unlock(&other);
        RobustLock.unlock(topic.mem());
        held && mutex.lock()
    });
    assert!(mutex.is_inherited());
}
