//! Payloads that tell whether they arrived whole.

/// Smallest payload: the sequence number.
pub(crate) const SMALLEST: usize = 8;

/// One word of the content, which depends on the message, its length and the place.
fn word(seq: u64, len: usize, at: usize) -> [u8; 8] {
    let mut x = seq ^ (len as u64) << 40 ^ (at as u64) << 24;
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ x >> 31).to_le_bytes()
}

/// Fills the whole buffer with the content of message `seq`.
pub(crate) fn fill(seq: u64, buffer: &mut [u8]) {
    let len = buffer.len();
    let (start, rest) = buffer.split_at_mut(SMALLEST);
    start.copy_from_slice(&seq.to_le_bytes());
    for (at, chunk) in rest.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&word(seq, len, at)[..chunk.len()]);
    }
}

/// Whether this is the whole content of message `seq` and nothing else.
pub(crate) fn is_whole(seq: u64, payload: &[u8]) -> bool {
    let Some((start, rest)) = payload.split_at_checked(SMALLEST) else { return false };
    let mut chunks = rest.chunks(8).enumerate();
    start == seq.to_le_bytes() && chunks.all(|(at, chunk)| *chunk == word(seq, payload.len(), at)[..chunk.len()])
}
