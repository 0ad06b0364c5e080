//! What a command says to arguments that were mistyped, and that it does nothing then.

use crate::common::Root;

#[test]
fn a_replay_of_nothing() {
    let root = Root::new();
    let file = root.path("run.mcap");
    root.ok("pub cam/front hello");
    root.ok(&format!("record --history --duration 0.05 -o {}", file.display()));
    root.ok("rm cam/front");
    let replay = format!("replay {}", file.display());
    for args in ["cam/frnt", "--protocol cfg", "--start 1"] {
        let complaint = root.fails(&format!("{replay} {args}"));
        assert!(complaint.contains("run.mcap: nothing in it is to be replayed: "), "{complaint}");
        assert!(complaint.ends_with(" leave out all 1 messages (see a0 info)"), "{complaint}");
    }
    for map in ["cam/front", "cam/front=", "=copy"] {
        let said = root.run(&format!("{replay} --topic-map {map}"));
        assert!(said.err.contains("use RECORDED=NEW, such as cam/front=test/front"), "{said:?}");
        assert_eq!(said.code, Some(2));
    }
    assert!(!root.path("cam/front.pubsub.a0").exists());
    // Requests are not what one gets without asking.
    let calls = root.path("calls.mcap");
    assert_eq!(root.run("rpc call shout hello --timeout 0.05").code, Some(3));
    root.ok(&format!("record --history --duration 0.05 -o {}", calls.display()));
    let complaint = root.fails(&format!("replay {}", calls.display()));
    assert!(complaint.contains("--protocol (rpc and prpc are replayed only if asked for)"), "{complaint}");
    root.ok("pub t hello");
    root.ok(&format!("record --history --duration 0.05 -o {}", root.path("both.mcap").display()));
    let line = root.ok(&format!("replay {}", root.path("both.mcap").display()));
    assert!(
        line.starts_with("1 messages in ") && line.contains(" ms at most; ") && line.ends_with(" left out\n"),
        "{line}"
    );
    // Who asks for everything gets it, even if it is nothing.
    let nothing = root.path("nothing.mcap");
    root.ok(&format!("record --duration 0.05 -o {}", nothing.display()));
    assert!(root.ok(&format!("replay {}", nothing.display())).starts_with("0 messages in "));
}

#[test]
fn a_message_that_is_too_large() {
    let root = Root::new();
    for args in ["pub small hello --arena 200", "pub small --size 5000"] {
        let complaint = root.fails(args);
        let remedy = "remove the topic (a0 rm small), then publish with a larger --arena";
        assert!(complaint.contains("small.pubsub.a0: a message of ") && complaint.ends_with(remedy), "{complaint}");
    }
    root.ok("rm small");
    root.ok("pub small --size 5000 --arena 64K");
}

#[test]
fn arguments_that_make_no_sense() {
    let root = Root::new();
    for (args, expected) in [
        ("pub t x --count -1", "invalid value '-1' for '--count <COUNT>'"),
        ("hz t -w -1", "invalid value '-1' for '--window <SECONDS>': use a number of seconds"),
        ("cfg read t --timeout -1", "invalid value '-1' for '--timeout <SECONDS>': use a number of seconds"),
        ("record --split-size -5 -o x", "invalid value '-5' for '--split-size <BYTES>': use a number of bytes"),
        ("record --check", "<--rules <FILE>|--rules-topic <TOPIC>>"),
    ] {
        let said = root.run(args);
        assert!(said.err.contains(expected), "{said:?}");
        assert!(!said.err.contains("--output") && !said.err.contains("tip:"), "{said:?}");
        assert_eq!(said.code, Some(2));
    }
}
