//! Any bytes as a 0.2 topic: converted once, and then a 0.3 topic whose frames can be read or are refused.
#![no_main]

use a0_core::{Cursor, Select, SliceMem, Transport, Unshared};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut image = input.to_vec();
    if image.len() < 144 {
        return;
    }
    image[..2].copy_from_slice(&[1, 1]);
    let size = image.len();
    let Ok(mem) = SliceMem::new(&mut image) else { return };
    let Ok(topic) = Transport::open(mem, Unshared) else { return };
    assert_eq!(topic.arena_size(), size as u64);
    let Ok(mut cursor) = Cursor::oldest(&topic) else { return };
    let mut buffer = vec![0; size];
    for step in 0.. {
        assert!(step <= size, "no end of messages");
        match topic.read(&mut cursor, Select::Next, &mut buffer.as_mut_slice()) {
            Ok(None) => break,
            Ok(Some(_)) | Err(_) => {}
        }
    }
    assert_eq!(&image[..13], b"ALEPHZERO\0\x03\0\x01");
});
