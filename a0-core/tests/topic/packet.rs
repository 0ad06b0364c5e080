//! The packet codec against stored packets and arbitrary bytes.

use a0_core::internal::Decimal;
use a0_core::packet::{LastTexts, PacketSink, SliceSink, Staged, Stamp, StandardHeaders, keys};
use a0_core::{Encoder, FlatPacket, Id, PacketError, TimeMono, TimeWall};
use proptest::collection::vec;
use proptest::prelude::*;

/// Two headers and a payload.
const P1: &[u8] = include_bytes!("../golden/p1.bin");

/// The first packet of a publisher on a fresh topic: the standard headers, one
/// of the user's, and a payload.
const P2: &[u8] = include_bytes!("../golden/p2.bin");

const ID: &str = "12345678-9ABC-4DEF-8123-456789ABCDEF";

/// A sink that lends no memory and records each piece.
#[derive(Default)]
struct Pieces(Vec<Vec<u8>>);

impl PacketSink for Pieces {
    fn put(&mut self, bytes: &[u8]) {
        self.0.push(bytes.to_vec());
    }
}

fn id() -> Id {
    ID.parse().expect("a sound id")
}

fn encode(id: &Id, blocks: &[&[(&str, &str)]], payload: &[u8]) -> Vec<u8> {
    let encoder = Encoder::new(id, blocks, payload).expect("sound headers");
    let mut bytes = vec![0xaa; encoder.encoded_len()];
    assert_eq!(encoder.encode_into(&mut bytes), Ok(bytes.len()));

    // All ways to write a packet must agree.
    let mut pieces = Pieces::default();
    encoder.write_to(&mut pieces);
    assert_eq!(pieces.0.concat(), bytes);
    let mut few = Pieces::default();
    encoder.write_to(&mut Staged::<_, 64>::new(&mut few));
    assert_eq!(few.0.concat(), bytes);
    let mut slice = vec![0xaa; bytes.len()];
    let mut sink = SliceSink::new(&mut slice);
    encoder.write_to(&mut sink);
    assert_eq!(sink.finish(), Ok(bytes.len()));
    assert_eq!(slice, bytes);
    bytes
}

/// Uses every accessor, so that none can hide a panic.
fn read_all(packet: &FlatPacket<'_>) -> usize {
    let mut len = packet.id().len() + packet.payload().len() + packet.as_bytes().len();
    assert_eq!(packet.headers().len(), packet.headers().count());
    for (key, value) in packet.headers() {
        len += key.len() + value.len();
        let first = packet.header(key).expect("a key of the packet");
        assert_eq!(packet.headers_named(key).next(), Some(first));
    }
    assert_eq!(packet.header("a0_none"), None);
    len
}

#[test]
fn p1_encodes_and_decodes() {
    let headers = [("key", "val"), (keys::DEP, "00000000-0000-4000-8000-000000000000")];
    assert_eq!(encode(&id(), &[&headers], b"Hello!"), P1);

    let packet = FlatPacket::parse(P1).unwrap();
    assert_eq!(packet.id(), ID);
    assert!(packet.headers().eq(headers));
    assert_eq!(packet.payload(), b"Hello!");
}

#[test]
fn p2_encodes_and_decodes() {
    let zero = Decimal::from(0);
    let mono = TimeMono::from_nanos(123_456_789_012_345).to_text();
    let wall = TimeWall::new(1_694_635_206, 42).unwrap().to_text();
    let writer = Id::parse(b"AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE").unwrap();
    let standard = [
        (keys::TRANSPORT_SEQ, zero.as_str()),
        (keys::TIME_MONO, mono.as_str()),
        (keys::WRITER_SEQ, zero.as_str()),
        (keys::WRITER_ID, writer.as_str()),
        (keys::TIME_WALL, wall.as_str()),
    ];
    let user = [("k", "v")];
    assert_eq!(encode(&id(), &[&standard, &[], &user], b"Hello!"), P2);

    let packet = FlatPacket::parse(P2).unwrap();
    assert_eq!(packet.id(), ID);
    assert!(packet.headers().eq(standard.into_iter().chain(user)));
    assert_eq!(packet.header(keys::WRITER_ID), Some(writer.as_str()));
    assert_eq!(packet.header("k"), Some("v"));
    assert_eq!(packet.header("K"), None);
    assert_eq!(packet.payload(), b"Hello!");
    let list = packet.collect_headers::<6>().unwrap();
    assert_eq!(encode(&id(), &[list.as_slice()], packet.payload()), P2);
}

#[test]
fn staged_header_block_is_one_piece_and_payload_another() {
    let payload = [7; 1000];
    let mut sink = Pieces::default();
    let mut stage = Staged::<_, 512>::new(&mut sink);
    Encoder::new(&id(), &[&[("k", "v")]], &payload).unwrap().write_to(&mut stage);
    stage.finish();
    let [head, tail] = sink.0.try_into().unwrap();
    assert_eq!(head.len(), 73);
    assert_eq!(tail, payload);
    assert_eq!(FlatPacket::parse(&[head, tail].concat()).unwrap().payload(), payload);
}

#[test]
fn every_truncation_is_an_error_or_a_shorter_payload() {
    let header_block = P2.len() - b"Hello!".len();
    for len in 0..P2.len() {
        match FlatPacket::parse(&P2[..len]) {
            Ok(packet) => {
                assert!(len >= header_block);
                assert_eq!(packet.payload(), &P2[header_block..len]);
            }
            Err(_) => assert!(len < header_block),
        }
    }
}

#[test]
fn every_change_of_one_byte_is_survived() {
    let mut bytes = P2.to_vec();
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            bytes[at] = byte;
            if let Ok(packet) = FlatPacket::parse(&bytes) {
                read_all(&packet);
            }
        }
        bytes[at] = P2[at];
    }
}

/// Text as a header may hold it: anything but NUL.
fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,40}"
}

/// The bytes of a packet with a sound frame around arbitrary offsets and text,
/// which gets further than arbitrary bytes do.
fn nearly_packet() -> impl Strategy<Value = Vec<u8>> {
    let offsets = vec(0..160u64, 0..9);
    let body = vec(prop_oneof![Just(0), any::<u8>(), b'a'..b'd'], 0..80);
    (offsets, 0..160u64, body).prop_map(|(offsets, payload, body)| {
        let count = offsets.len() as u64 / 2;
        let mut bytes = id().to_wire().to_vec();
        bytes.extend(count.to_le_bytes());
        for offset in offsets.iter().take(2 * count as usize).chain([&payload]) {
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend(body);
        bytes
    })
}

proptest! {
    #[test]
    fn round_trip(
        random in any::<[u8; 16]>(),
        blocks in vec(vec((text(), text()), 0..6), 0..4),
        payload in vec(any::<u8>(), 0..300),
    ) {
        let id = Id::from_random_bytes(random);
        let blocks: Vec<Vec<_>> = blocks
            .iter()
            .map(|block| block.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect())
            .collect();
        let slices: Vec<_> = blocks.iter().map(Vec::as_slice).collect();
        let bytes = encode(&id, &slices, &payload);

        let packet = FlatPacket::parse(&bytes).unwrap();
        prop_assert_eq!(packet.id(), id.as_str());
        prop_assert!(packet.headers().eq(blocks.concat()));
        prop_assert_eq!(packet.payload(), payload);
        for (key, _) in packet.headers() {
            let named = packet.headers().filter(|(k, _)| *k == key).map(|(_, v)| v);
            prop_assert!(packet.headers_named(key).eq(named));
        }
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(packet) = FlatPacket::parse(&bytes) {
            read_all(&packet);
        }
    }

    #[test]
    fn arbitrary_tables_are_survived(bytes in nearly_packet()) {
        if let Ok(packet) = FlatPacket::parse(&bytes) {
            prop_assert!(packet.headers().all(|(k, v)| !k.contains('\0') && !v.contains('\0')));
            read_all(&packet);
        }
    }
}

/// The packet that [`StandardHeaders`] writes, checked against the general encoder.
fn check_standard(stamp: &Stamp, headers: &[(&str, &str)], last: &mut LastTexts) {
    let writer = Id::from_random_bytes([9; 16]);
    let (transport_seq, writer_seq) = (Decimal::from(stamp.transport_seq), Decimal::from(stamp.writer_seq));
    let (time_mono, time_wall) = (stamp.time_mono.to_text(), stamp.time_wall.to_text());
    let standard = [
        (keys::TRANSPORT_SEQ, &*transport_seq),
        (keys::TIME_MONO, &*time_mono),
        (keys::WRITER_SEQ, &*writer_seq),
        (keys::WRITER_ID, writer.as_str()),
        (keys::TIME_WALL, &*time_wall),
    ];
    let expected = encode(&id(), &[&standard, headers], b"");
    let mut out = [0xaa; 1024];
    let len = StandardHeaders::new(&writer).encode_head(&id(), stamp, headers, last, &mut out).expect("room");
    assert_eq!(&out[..len], expected);
}

#[test]
fn standard_headers_refuse_what_does_not_fit_or_cannot_be_read() {
    let stamp =
        Stamp { transport_seq: 0, time_mono: TimeMono::default(), writer_seq: 0, time_wall: TimeWall::UNIX_EPOCH };
    let standard = StandardHeaders::new(&id());
    let mut last = LastTexts::NONE;
    let last = &mut last;
    let long = "v".repeat(200);
    for headers in [&[("k", long.as_str())][..], &[("k", "v"); 50]] {
        let fault = standard.encode_head(&id(), &stamp, headers, last, &mut [0; 512]).unwrap_err();
        assert!(matches!(fault, PacketError::BufferTooSmall { needed } if needed > 512), "{fault:?}");
    }
    let fault = standard.encode_head(&id(), &stamp, &[("k", "v"), ("k\0", "")], last, &mut [0; 512]);
    assert_eq!(fault, Err(PacketError::KeyHasNul { index: 6 }));
    let fault = standard.encode_head(&id(), &stamp, &[("k", "\0")], last, &mut [0; 512]);
    assert_eq!(fault, Err(PacketError::ValueHasNul { index: 5 }));
}

proptest! {
    #[test]
    fn standard_headers_are_those_of_the_encoder(
        stamps in vec((any::<u64>(), 0..64u32, any::<u64>(), 0..64u32, any::<u64>(), -70_000_000_000..250_000_000_000i64, 0..1_000_000_000u32), 1..8),
        headers in vec(("[^\0]{0,40}", "[^\0]{0,40}"), 0..4),
    ) {
        let headers: Vec<_> = headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let headers = if headers.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > 500 { &[] } else { &headers[..] };
        let mut last = LastTexts::NONE;
        for (transport_seq, short_1, writer_seq, short_2, mono, secs, nanos) in stamps {
            let stamp = Stamp {
                transport_seq: transport_seq >> short_1,
                time_mono: TimeMono::from_nanos(mono),
                writer_seq: writer_seq >> short_2,
                time_wall: TimeWall::new(secs.clamp(TimeWall::MIN.secs(), TimeWall::MAX.secs()), nanos).expect("in range"),
            };
            check_standard(&stamp, headers, &mut last);
            // Times close to the last ones reuse their digits.
            let nanos = (nanos + 1) % 1_000_000_000;
            let next = Stamp {
                time_mono: TimeMono::from_nanos(mono.saturating_add(1)),
                time_wall: TimeWall::new(stamp.time_wall.secs(), nanos).expect("in range"),
                ..stamp
            };
            check_standard(&next, headers, &mut last);
        }
    }
}
