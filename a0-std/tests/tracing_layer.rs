//! The events of the `tracing` crate on a topic.

use std::fmt;
use std::time::{Duration, Instant};

use a0_std::{FileOptions, Init, Level, LogListenerSync, Logger, TracingLayer};
use a0_testkit::private_root::topic;
use tracing::subscriber::with_default;
use tracing::{debug, error, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

/// Level, text and the headers that follow the level, without file and line.
type Heard = (Level, String, Vec<(String, String)>);

fn heard(topic: &str) -> Vec<Heard> {
    let mut listener = LogListenerSync::new(topic, Level::Unknown, Init::Oldest).unwrap();
    let mut all = Vec::new();
    while let Some(message) = listener.read().unwrap() {
        assert_eq!(message.header("file"), Some(file!()));
        assert!(message.header("line").unwrap().parse::<u32>().unwrap() > 0);
        let headers = message.headers().skip(6).filter(|(key, _)| !["file", "line"].contains(key));
        let headers = headers.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        all.push((message.level(), message.text().into_owned(), headers));
    }
    all
}

/// What is heard of what `run` does, without the first header, which is the target.
fn events(run: impl FnOnce()) -> Vec<Heard> {
    let topic = topic();
    let layer = TracingLayer::new(Logger::new(&topic).unwrap());
    with_default(registry().with(layer), run);
    let mut all = heard(&topic);
    for (_, _, headers) in &mut all {
        assert_eq!(headers.remove(0), ("target".to_owned(), module_path!().to_owned()));
    }
    all
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn levels() {
    let levels: Vec<_> = events(|| {
        error!("e");
        warn!("w");
        info!("i");
        debug!("d");
        trace!("t");
    })
    .into_iter()
    .map(|(level, text, _)| (level, text))
    .collect();
    let expected = [(Level::Err, "e"), (Level::Warn, "w"), (Level::Info, "i"), (Level::Dbg, "d"), (Level::Dbg, "t")];
    assert_eq!(levels, expected.map(|(level, text)| (level, text.to_owned())));
}

#[test]
fn messages_and_fields() {
    let all = events(|| {
        info!(text = "with blanks", number = 7, debug = ?[1, 2], display = %"x", "{} of {}", 1, 2);
        info!(only = true);
        info!(text = "a\0b", a0_dep = "x", "nul\0");
    });
    let fields = [("text", "with blanks"), ("number", "7"), ("debug", "[1, 2]"), ("display", "x")];
    assert_eq!(all[0], (Level::Info, "1 of 2".into(), pairs(&fields)));
    assert_eq!(all[1], (Level::Info, "".into(), pairs(&[("only", "true")])));
    assert_eq!(all[2], (Level::Info, "nul\0".into(), pairs(&[("text", "a\\0b"), ("field.a0_dep", "x")])));
}

#[test]
fn targets() {
    let topic = topic();
    let layer = TracingLayer::new(Logger::new(&topic).unwrap());
    with_default(registry().with(layer), || info!(target: "elsewhere", "x"));
    assert_eq!(heard(&topic)[0].2, pairs(&[("target", "elsewhere"), ("module", module_path!())]));
}

#[test]
fn spans() {
    let all = events(|| {
        let outer = info_span!("request", id = 7, user = tracing::field::Empty);
        let _outer = outer.enter();
        info!("first");
        outer.record("user", "me");
        outer.record("user", "you");
        let _inner = info_span!("query").entered();
        info!(rows = 3, "second");
    });
    assert_eq!(all[0].2, pairs(&[("span", "request{id=7}")]));
    assert_eq!(all[1].2, pairs(&[("span", "request{id=7 user=you}:query"), ("rows", "3")]));
}

#[test]
fn two_layers_at_once() {
    let (one, two) = (topic(), topic());
    let layer = |topic: &str| TracingLayer::new(Logger::new(topic).unwrap());
    with_default(registry().with(layer(&one)).with(layer(&two)), || {
        let _span = info_span!("span", n = 1).entered();
        info!("x");
    });
    assert_eq!(heard(&one).len(), 1);
    assert_eq!(heard(&one), heard(&two));
    assert_eq!(heard(&one)[0].2[1], ("span".to_owned(), "span{n=1}".to_owned()));
}

/// Logs when it is printed.
struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(chatty = ?Chatty, "inner");
        f.write_str("chatty")
    }
}

#[test]
fn what_comes_up_while_one_is_written_is_dropped() {
    let all = events(|| {
        info!(chatty = ?Chatty, "outer");
        info!("after");
    });
    let texts: Vec<_> = all.iter().map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(texts, ["outer", "after"]);
    assert_eq!(all[0].2, pairs(&[("chatty", "chatty")]));
}

/// A `Debug` that panics is its owner's fault, but it does not end logging.
#[test]
fn a_panic_while_one_is_written() {
    struct Faulty;
    impl fmt::Debug for Faulty {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("on purpose")
        }
    }
    let all = events(|| {
        let span = info_span!("span", field = tracing::field::Empty);
        let _span = span.enter();
        let caught = std::panic::catch_unwind(|| info!(faulty = ?Faulty, "x"));
        assert!(caught.is_err());
        let recording = std::panic::AssertUnwindSafe(|| {
            span.record("field", tracing::field::debug(Faulty));
        });
        assert!(std::panic::catch_unwind(recording).is_err());
        info!("after");
    });
    assert_eq!(all, [(Level::Info, "after".to_owned(), pairs(&[("span", "span")]))]);
}

#[test]
fn a_broken_topic_holds_nobody_up() {
    let topic = topic();
    let logger = Logger::with_options(&topic, &FileOptions::default().size(8192)).unwrap();
    let file = logger.file().clone();
    let raw = std::fs::OpenOptions::new().write(true).open(file.path()).unwrap();
    // A lock whose owner is a stranger; damage everywhere else.
    use std::os::unix::fs::FileExt;
    raw.write_all_at(&[0x5A; 8192 - 16], 16).unwrap();
    let started = Instant::now();
    with_default(registry().with(TracingLayer::new(logger)), || {
        for n in 0..1000 {
            info!(n, "lost");
        }
    });
    assert!(started.elapsed() < Duration::from_secs(10));
}
