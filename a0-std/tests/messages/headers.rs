//! What writers put in front of a packet.

use a0_std::{Error, Init, Packet, Publisher, ReaderSync, SubscriberSync, TimeMono, TimeWall, Writer, keys};
use a0_testkit::private_root::{file, topic};

const STANDARD: [&str; 5] = [keys::TRANSPORT_SEQ, keys::TIME_MONO, keys::WRITER_SEQ, keys::WRITER_ID, keys::TIME_WALL];

#[test]
fn standard_headers_in_order_before_the_users() {
    let topic = topic();
    let (first, second) = (Publisher::new(&topic).unwrap(), Publisher::new(&topic).unwrap());
    let mut reader = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    first.publish_with(&[("k", "v"), ("k", "w")], "a").unwrap();
    second.publish("b").unwrap();
    let sent = first.publish("c").unwrap();

    let mut last_mono = None;
    for (transport_seq, writer_seq, extra) in [("0", "0", 2), ("1", "0", 0), ("2", "1", 0)] {
        let message = reader.read().unwrap().unwrap();
        let headers: Vec<_> = message.headers().collect();
        assert_eq!(headers[..5].iter().map(|(key, _)| *key).collect::<Vec<_>>(), STANDARD);
        assert_eq!(headers.len(), 5 + extra);
        assert_eq!(message.header(keys::TRANSPORT_SEQ), Some(transport_seq));
        assert_eq!(message.header(keys::WRITER_SEQ), Some(writer_seq));
        assert_eq!(message.header(keys::WRITER_ID).unwrap().len(), 36);
        let mono = TimeMono::parse(message.header(keys::TIME_MONO).unwrap().as_bytes()).unwrap();
        assert!(Some(mono) > last_mono);
        last_mono = Some(mono);
        TimeWall::parse(message.header(keys::TIME_WALL).unwrap().as_bytes()).unwrap();
        if extra == 2 {
            assert_eq!(headers[5..], [("k", "v"), ("k", "w")]);
        }
        if transport_seq == "2" {
            assert_eq!((message.id(), message.seq()), (sent.id.as_str(), sent.seq));
        }
    }
}

#[test]
fn a_bare_writer_adds_nothing() {
    let file = file(4096);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    let packet = Packet::new("payload").with_header("a", "1").with_header("b", "2");
    Writer::new(&file).write_packet(&packet).unwrap();
    let message = reader.read().unwrap().unwrap();
    assert_eq!(Packet::from(message.packet()), packet);
}

#[test]
fn raw_packets_count_in_the_topic_but_not_in_the_writer() {
    let file = file(4096);
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    Writer::new(&file).write("raw").unwrap();
    Writer::new(&file).with_standard_headers().write("standard").unwrap();
    reader.read().unwrap().unwrap();
    let message = reader.read().unwrap().unwrap();
    assert_eq!(message.header(keys::TRANSPORT_SEQ), Some("1"));
    assert_eq!(message.header(keys::WRITER_SEQ), Some("0"));
}

#[test]
fn a_header_with_nul_is_refused_and_leaves_no_trace() {
    let topic = topic();
    let publisher = Publisher::new(&topic).unwrap();
    for header in [("k\0", "v"), ("k", "v\0")] {
        assert!(matches!(publisher.publish_with(&[header], "x"), Err(Error::BadPacket(_))));
    }
    assert_eq!(publisher.file().state().unwrap().seq_high, 0);
    publisher.publish("x").unwrap();
    let mut reader = SubscriberSync::new(&topic, Init::Oldest).unwrap();
    assert_eq!(reader.read().unwrap().unwrap().header(keys::WRITER_SEQ), Some("0"), "no sequence number was used up");
}

#[test]
fn a_message_larger_than_the_arena_is_refused_and_history_survives() {
    let file = file(4096);
    let writer = Writer::new(&file).with_standard_headers();
    writer.write("kept").unwrap();
    let error = writer.write(vec![0; 4000]).unwrap_err().to_string();
    assert!(error.contains(file.path().to_str().unwrap()) && error.contains("larger than the arena"), "{error}");
    let mut reader = ReaderSync::new(&file, Init::Oldest).unwrap();
    assert_eq!(reader.read().unwrap().unwrap().payload(), b"kept");
    writer.write("goes on").unwrap();
}
