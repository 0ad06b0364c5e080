//! Log messages: levels, headers, listeners of both kinds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use a0_std::{
    Error, FileOptions, Init, Iter, Level, LogListener, LogListenerSync, Logger, ReaderOptions, ReaderSync, Writer,
    keys,
};
use a0_testkit::bare;
use a0_testkit::private_root::topic;

const PATIENCE: Duration = Duration::from_secs(20);

/// One message of each level; the text is the name.
fn log_all(logger: &Logger) {
    logger.crit("CRIT").unwrap();
    logger.err("ERR").unwrap();
    logger.warn("WARN").unwrap();
    logger.info("INFO").unwrap();
    logger.dbg("DBG").unwrap();
    logger.log(Level::Unknown, "UNKNOWN").unwrap();
}

fn all_that_pass(topic: &str, level: Level) -> Vec<String> {
    let mut listener = LogListenerSync::new(topic, level, Init::Oldest).unwrap();
    let mut texts = Vec::new();
    while let Some(message) = listener.read().unwrap() {
        assert_eq!(message.header(keys::LOG_LEVEL), Some(message.level().name()));
        texts.push(message.text().into_owned());
    }
    texts
}

#[test]
fn a_listener_gets_its_level_and_what_is_more_serious() {
    let topic = topic();
    log_all(&Logger::new(&topic).unwrap());
    let names: Vec<_> = Level::ALL.iter().map(|level| level.name()).collect();
    for (index, level) in Level::ALL.iter().copied().enumerate() {
        assert_eq!(all_that_pass(&topic, level), names[..=index]);
    }
}

#[test]
fn a_threaded_listener_gets_them_too() {
    let topic = topic();
    let (tell, told) = mpsc::channel();
    let logger = Logger::new(&topic).unwrap();
    logger.crit("before").unwrap();
    let listener = LogListener::new(&topic, Level::Info, (), move |message| {
        tell.send((message.level(), message.text().into_owned())).unwrap();
    })
    .unwrap();
    log_all(&logger);
    logger.info("end").unwrap();
    let heard: Vec<_> = std::iter::from_fn(|| told.recv_timeout(PATIENCE).ok()).take(5).collect();
    let expected = [Level::Crit, Level::Err, Level::Warn, Level::Info].map(|level| (level, level.name().to_owned()));
    assert_eq!(heard[..4], expected);
    assert_eq!(heard[4].1, "end");
    listener.close();
    assert!(told.try_recv().is_err());
}

#[test]
fn the_level_stands_between_the_standard_headers_and_those_of_the_user() {
    let logger = Logger::new(&topic()).unwrap();
    logger.log_with(Level::Warn, &[("k", "v"), (keys::LOG_LEVEL, "DBG")], "text").unwrap();
    let mut reader = ReaderSync::new(logger.file(), Init::Oldest).unwrap();
    let message = reader.read().unwrap().unwrap();
    let headers: Vec<_> = message.headers().collect();
    assert_eq!(headers.len(), 8);
    assert_eq!(headers[4].0, keys::TIME_WALL);
    assert_eq!(headers[5..], [(keys::LOG_LEVEL, "WARN"), ("k", "v"), (keys::LOG_LEVEL, "DBG")]);
    assert_eq!(logger.file().path().extension().unwrap(), "a0");
    assert!(logger.file().path().to_str().unwrap().ends_with(".log.a0"));
}

#[test]
fn what_has_no_level_is_passed_over_and_odd_levels_count_as_the_last() {
    let topic = topic();
    let logger = Logger::new(&topic).unwrap();
    let writer = Writer::new(logger.file());
    writer.write("no level").unwrap();
    writer.write_with(&[(keys::LOG_LEVEL, "info")], "odd").unwrap();
    writer.write_with(&[(keys::LOG_LEVEL, "")], "odd, too").unwrap();
    logger.crit([0xFF, b'x']).unwrap();
    assert_eq!(all_that_pass(&topic, Level::Dbg), ["\u{FFFD}x"]);
    let mut listener = LogListenerSync::new(&topic, Level::Unknown, Init::Oldest).unwrap();
    let message = listener.read().unwrap().unwrap();
    assert_eq!((message.level(), message.text().as_ref(), message.seq()), (Level::Unknown, "odd", 2));
}

#[test]
fn losses_before_messages_that_were_passed_over_are_counted() {
    let topic = topic();
    let options = ReaderOptions::default().init(Init::Oldest).file(FileOptions::default().size(4096));
    let mut listener = LogListenerSync::new(&topic, Level::Err, options).unwrap();
    let logger = Logger::new(&topic).unwrap();
    logger.err("first").unwrap();
    assert_eq!(listener.read().unwrap().unwrap().missed(), 0);
    for _ in 0..100 {
        logger.dbg("of no interest").unwrap();
    }
    logger.err("last").unwrap();
    let oldest = logger.file().state().unwrap().seq_low;
    assert!(oldest > 50);
    let message = listener.read().unwrap().unwrap();
    assert_eq!((message.text().as_ref(), message.missed()), ("last", oldest - 2));
    logger.err("next").unwrap();
    assert_eq!(listener.read().unwrap().unwrap().missed(), 0);
}

#[test]
fn a_blocked_listener_waits_for_what_passes() {
    let topic = topic();
    let logger = Logger::new(&topic).unwrap();
    let mut listener = LogListenerSync::new(&topic, Level::Err, ()).unwrap();
    logger.info("no").unwrap();
    let started = Instant::now();
    let timeout = Duration::from_millis(30);
    assert!(matches!(listener.read_blocking(timeout), Err(Error::Timeout { .. })));
    assert!(started.elapsed() >= timeout);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| listener.read_blocking(PATIENCE).unwrap().text().into_owned());
        logger.dbg("no").unwrap();
        logger.err("yes").unwrap();
        assert_eq!(waiting.join().unwrap(), "yes");
    });
    listener.interrupter().interrupt();
    assert!(matches!(listener.read_blocking(None), Err(Error::Interrupted { .. })));
}

#[test]
fn messages_that_do_not_pass_are_part_of_the_wait() {
    let topic = topic();
    let logger = Logger::new(&topic).unwrap();
    let mut listener = LogListenerSync::new(&topic, Level::Err, Init::Oldest).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                logger.dbg("no").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let timeout = Duration::from_millis(50);
        let error = listener.read_blocking(timeout).unwrap_err();
        done.store(true, Ordering::Relaxed);
        assert!(matches!(error, Error::Timeout { waited, .. } if waited >= timeout), "{error}");
    });
}

#[test]
fn newest_only() {
    let topic = topic();
    log_all(&Logger::new(&topic).unwrap());
    let mut listener = LogListenerSync::new(&topic, Level::Unknown, (Init::Oldest, Iter::Newest)).unwrap();
    assert_eq!(listener.read().unwrap().unwrap().text(), "CRIT");
    let message = listener.read().unwrap().unwrap();
    assert_eq!((message.text().as_ref(), message.missed()), ("UNKNOWN", 4));
    assert!(listener.read().unwrap().is_none());
}

#[test]
fn what_is_no_packet_is_reported_and_passed_over() {
    let topic = topic();
    let logger = Logger::new(&topic).unwrap();
    bare(logger.file()).lock(None).unwrap().push(b"garbage").unwrap();
    logger.info("sound").unwrap();
    let mut listener = LogListenerSync::new(&topic, Level::Info, Init::Oldest).unwrap();
    assert!(matches!(listener.read(), Err(Error::BadMessage { seq: 1, .. })));
    assert_eq!(listener.read().unwrap().unwrap().text(), "sound");
}
