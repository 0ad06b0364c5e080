//! The `log` crate's messages on a topic.

use std::fmt;
use std::time::{Duration, Instant};

use a0_std::{FileOptions, Init, Level, LogBackend, LogListenerSync, Logger};
use a0_testkit::bare;
use a0_testkit::private_root::topic;
use log::{LevelFilter, Log, Record};

/// Level, text and the headers that follow the level.
type Heard = (Level, String, Vec<(String, String)>);

fn heard(topic: &str) -> Vec<Heard> {
    let mut listener = LogListenerSync::new(topic, Level::Unknown, Init::Oldest).unwrap();
    let mut all = Vec::new();
    while let Some(message) = listener.read().unwrap() {
        let headers = message.headers().skip(6).map(|(key, value)| (key.to_owned(), value.to_owned()));
        all.push((message.level(), message.text().into_owned(), headers.collect()));
    }
    all
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn say(backend: &LogBackend, level: log::Level, text: fmt::Arguments<'_>) {
    backend.log(&Record::builder().level(level).target("t").args(text).build());
}

#[test]
fn messages_of_the_macros() {
    let topic = topic();
    LogBackend::new(Logger::new(&topic).unwrap()).install(LevelFilter::Debug).unwrap();
    let line = line!() + 1;
    log::warn!("{} of {}", 1, 2);
    log::error!(target: "elsewhere\0", "failed");
    log::debug!("details");
    log::trace!("not these");
    let heard = heard(&topic);
    assert_eq!(heard.len(), 3);
    let place = |line: u32, before: &[(&str, &str)]| {
        pairs(&[before, &[("file", file!()), ("line", &line.to_string())]].concat())
    };
    assert_eq!(heard[0], (Level::Warn, "1 of 2".into(), place(line, &[("target", module_path!())])));
    let other = [("target", "elsewhere\\0"), ("module", module_path!())];
    assert_eq!(heard[1], (Level::Err, "failed".into(), place(line + 1, &other)));
    assert_eq!((heard[2].0, &*heard[2].1), (Level::Dbg, "details"));
    let second = LogBackend::new(Logger::new(&topic).unwrap());
    assert!(second.install(LevelFilter::Debug).is_err());
}

/// Logs when it is printed.
struct Chatty<'a>(&'a LogBackend);

impl fmt::Display for Chatty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        say(self.0, log::Level::Info, format_args!("inner {}", Chatty(self.0)));
        f.write_str("chatty")
    }
}

#[test]
fn what_is_logged_while_logging_is_dropped() {
    let topic = topic();
    let backend = LogBackend::new(Logger::new(&topic).unwrap());
    say(&backend, log::Level::Trace, format_args!("outer {}", Chatty(&backend)));
    say(&backend, log::Level::Info, format_args!("after"));
    let texts: Vec<_> = heard(&topic).into_iter().map(|(level, text, _)| (level, text)).collect();
    assert_eq!(texts, [(Level::Dbg, "outer chatty".to_owned()), (Level::Info, "after".to_owned())]);
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let topic = topic();
    let logger = Logger::with_options(&topic, &FileOptions::default().size(4096)).unwrap();
    let backend = LogBackend::new(logger);
    for _ in 0..3 {
        say(&backend, log::Level::Info, format_args!("{}", "x".repeat(5000)));
    }
    say(&backend, log::Level::Info, format_args!("after"));
    say(&backend, log::Level::Info, format_args!("and again"));
    let heard = heard(&topic);
    assert_eq!(heard[0], (Level::Info, "after".into(), pairs(&[("target", "t"), ("dropped", "3")])));
    assert_eq!(heard[1], (Level::Info, "and again".into(), pairs(&[("target", "t")])));
}

#[test]
fn a_topic_that_is_locked_for_good_holds_nobody_up() {
    let topic = topic();
    let logger = Logger::new(&topic).unwrap();
    let file = logger.file().clone();
    let backend = LogBackend::new(logger);
    let started = Instant::now();
    // Held by another thread all the time, as if by a process that was stopped.
    let locked = bare(&file).lock(None).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..1000 {
                say(&backend, log::Level::Info, format_args!("{n}"));
            }
        });
    });
    drop(locked);
    let waited = started.elapsed();
    // Each by itself would have waited for 20 ms.
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    // After a while it is tried again.
    a0_testkit::until(|| {
        say(&backend, log::Level::Info, format_args!("after"));
        file.state().unwrap().seq_high > 0
    });
    let (_, text, headers) = heard(&topic).remove(0);
    assert_eq!(text, "after");
    assert!(headers[1].0 == "dropped" && headers[1].1.parse::<u32>().unwrap() >= 1000, "{headers:?}");
}

#[test]
fn a_lock_that_this_thread_holds_is_no_deadlock() {
    let logger = Logger::new(&topic()).unwrap();
    let file = logger.file().clone();
    let backend = LogBackend::new(logger);
    let locked = bare(&file).lock(None).unwrap();
    say(&backend, log::Level::Info, format_args!("lost"));
    drop(locked);
    assert!(file.state().unwrap().is_empty());
}
