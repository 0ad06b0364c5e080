//! Any bytes as a packet: an error or a packet that reads the same when it is encoded again.
#![no_main]

use a0_core::{Encoder, FlatPacket, Id};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = FlatPacket::parse(bytes) else { return };
    let headers: Vec<_> = packet.headers().collect();
    for (key, _) in &headers {
        assert!(packet.header(key).is_some());
    }
    let id = packet.to_id();
    assert_eq!(Id::parse(packet.id().as_bytes()), Ok(id), "a sound packet has a sound id");
    let blocks = [headers.as_slice()];
    let encoder = Encoder::new(&id, &blocks, packet.payload()).expect("what was parsed can be sent on");
    let mut again = vec![0; encoder.encoded_len()];
    encoder.encode_into(&mut again).expect("there is room");
    let again = FlatPacket::parse(&again).expect("what was encoded can be parsed");
    assert_eq!(again.id(), packet.id());
    assert!(again.headers().eq(packet.headers()));
    assert_eq!(again.payload(), packet.payload());
});
