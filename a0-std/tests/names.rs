//! Topic names, templates and the environment. One test, because the environment belongs to the whole process.
#![allow(unsafe_code)]

use std::path::Path;

use a0_std::{Error, Protocol, Publisher, Templates, env};

fn set(variable: &str, value: Option<&str>) {
    match value {
        // SAFETY: the only test of this program; no other thread reads the environment.
        Some(value) => unsafe { std::env::set_var(variable, value) },
        // SAFETY: as above.
        None => unsafe { std::env::remove_var(variable) },
    }
}

#[test]
fn names_and_variables() {
    for variable in
        ["A0_ROOT", "A0_TOPIC"].into_iter().chain(Protocol::ALL.iter().map(|protocol| protocol.template_variable()))
    {
        set(variable, None);
    }
    let path = |topic| Protocol::PubSub.path(topic).unwrap();
    assert_eq!(path("cam/front"), Path::new("/dev/shm/alephzero/cam/front.pubsub.a0"));
    assert_eq!(path("{topic}"), Path::new("/dev/shm/alephzero/{topic}.pubsub.a0"));
    assert_eq!(Protocol::Deadman.path("api").unwrap(), Path::new("/dev/shm/alephzero/api.deadman"));
    for protocol in Protocol::ALL.iter().copied().filter(|protocol| *protocol != Protocol::Deadman) {
        let expected = format!("/dev/shm/alephzero/x.{}.a0", protocol.name());
        assert_eq!(protocol.path("x").unwrap(), Path::new(&expected));
    }

    let topic = |path| Templates::new(Protocol::ALL).unwrap().topic(path);
    let is = |protocol, topic: &str| Some((protocol, topic.to_owned()));
    assert_eq!(topic("/dev/shm/alephzero/cam/front.pubsub.a0"), is(Protocol::PubSub, "cam/front"));
    assert_eq!(topic("/dev/shm/alephzero/x.prpc.a0"), is(Protocol::Prpc, "x"));
    assert_eq!(topic("/dev/shm/alephzero/api.deadman"), is(Protocol::Deadman, "api"));
    for stranger in ["x.pubsub.a0", "/x.pubsub.a0", "/dev/shm/alephzero/.pubsub.a0", "/dev/shm/alephzero/x.a0"] {
        assert_eq!(topic(stranger), None);
    }
    assert_eq!(topic("/dev/shm/alephzero/a/.alephzero_mkstemp.x.pubsub.a0"), None);

    for (topic, reason) in [("", "empty"), ("/abs", "starts with '/'"), ("a\0b", "NUL")] {
        let error = Publisher::new(topic).unwrap_err();
        assert!(matches!(error, Error::BadTopic { .. }));
        assert!(error.to_string().contains(reason), "{error}");
    }

    set("A0_TOPIC_TMPL_PUBSUB", Some("aaa{topic}ccc"));
    assert_eq!(path("bbb"), Path::new("/dev/shm/alephzero/aaabbbccc"));
    set("A0_TOPIC_TMPL_PUBSUB", Some("/abs/{topic}/{topic}"));
    assert_eq!(path("b"), Path::new("/abs/b/{topic}"));
    assert_eq!(topic("/abs/b/{topic}"), is(Protocol::PubSub, "b"));
    // Two templates match; the longer one says more. A name that no publisher may use is no topic.
    set("A0_TOPIC_TMPL_PUBSUB", Some("{topic}.a0"));
    assert_eq!(topic("/dev/shm/alephzero/x.rpc.a0"), is(Protocol::Rpc, "x"));
    assert_eq!(topic("/dev/shm/alephzero/x.a0"), is(Protocol::PubSub, "x"));
    set("A0_TOPIC_TMPL_PUBSUB", Some("/abs{topic}"));
    assert_eq!(topic("/abs/x"), None);
    for bad in ["", "no placeholder"] {
        set("A0_TOPIC_TMPL_PUBSUB", Some(bad));
        let error = Publisher::new("x").unwrap_err().to_string();
        assert!(error.contains("A0_TOPIC_TMPL_PUBSUB") && error.contains("{topic}"), "{error}");
    }
    set("A0_TOPIC_TMPL_PUBSUB", None);

    for bad in ["", "relative/root"] {
        set("A0_ROOT", Some(bad));
        let error = Publisher::new("x").unwrap_err().to_string();
        assert!(error.contains("A0_ROOT") && error.contains("absolute"), "{error}");
    }

    set("A0_ROOT", Some("/x/"));
    assert_eq!(path("y").to_str(), Some("/x/y.pubsub.a0"));
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    set("A0_ROOT", dir.path().to_str());
    set("A0_TOPIC", Some("me"));
    assert_eq!(env::topic().unwrap().as_deref(), Some("me"));
    let publisher = Publisher::new("deep/er/topic").unwrap();
    assert_eq!(publisher.file().path(), dir.path().join("deep/er/topic.pubsub.a0"));
    assert_eq!(publisher.file().size(), 16 * 1024 * 1024);
    assert!(!publisher.file().is_removed().unwrap());
    assert!(a0_std::File::remove("deep/er/topic.pubsub.a0").unwrap());
    assert!(publisher.file().is_removed().unwrap());
}
