//! Files that no sound program has written.

use a0_core::{Encoder, Id};
use a0_std::{File, FileOptions, Packet, Writer};
use tempfile::TempDir;

use a0_testkit::bare;

/// Bytes of a topic here.
pub const SIZE: usize = 16 << 10;

/// Offsets in a topic's header.
const LOCK: usize = 32;
const PAGES: [usize; 2] = [48, 88];
const PAGE_INDEX: usize = 128;
const ARENA: usize = 136;
const FRAMES: usize = 144;

/// What a file holds.
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    /// What a user writes into the lock word before use: its own thread id, which nobody else can know.
    pub own_lock: bool,
    /// A live process that does not know of it has the lock: writers wait until they give up.
    pub held: bool,
}

fn case(name: impl Into<String>, bytes: Vec<u8>) -> Case {
    Case { name: name.into(), bytes, own_lock: false, held: false }
}

/// Headers and payload.
type Content<'a> = (&'a [(&'a str, &'a str)], &'a [u8]);

/// A sound topic with one message of each kind, and these behind them.
fn topic(more: &[&[u8]]) -> Vec<u8> {
    let dir = TempDir::new_in("/dev/shm").unwrap();
    let path = dir.path().join("topic.a0");
    let file = File::open(&path, &FileOptions::default().size(SIZE as u64)).unwrap();
    let writer = Writer::new(&file).with_standard_headers();
    let id = Id::from_random_bytes([7; 16]);
    let call = id.to_string();
    let packets: [Content; 9] = [
        (&[("unit", "mm")], b"1250"),
        (&[("a0_rpc_type", "request")], b"ask"),
        (&[("a0_rpc_type", "response"), ("a0_req_id", &call)], b"answer"),
        (&[("a0_rpc_type", "cancel"), ("a0_req_id", &call)], call.as_bytes()),
        (&[("a0_prpc_type", "connect")], b"ask"),
        (&[("a0_prpc_type", "progress"), ("a0_conn_id", &call)], b"half"),
        (&[("a0_prpc_type", "complete"), ("a0_conn_id", &call)], b"all"),
        (&[("a0_log_level", "INFO")], b"it happened"),
        (&[], b"{\"speed\": 1}"),
    ];
    for (headers, payload) in packets {
        let packet = headers.iter().fold(Packet::new(payload).with_id(id), |packet, (k, v)| packet.with_header(*k, *v));
        writer.write_packet(&packet).unwrap();
    }
    for bytes in more {
        bare(&file).lock(None).unwrap().push(bytes).unwrap();
    }
    std::fs::read(&path).unwrap()
}

fn packet(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let id = Id::from_random_bytes([9; 16]);
    let blocks = [headers];
    let encoder = Encoder::new(&id, &blocks, payload).unwrap();
    let mut bytes = vec![0; payload.len() + 1000];
    let len = encoder.encode_into(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// The same bytes, with these at this offset.
fn with(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

fn word(bytes: &[u8], at: usize, value: u64) -> Vec<u8> {
    with(bytes, at, &value.to_le_bytes())
}

fn random(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Where the first two frames of a topic are.
fn first_frames(topic: &[u8]) -> [usize; 2] {
    let next = u64::from_le_bytes(topic[FRAMES + 16..FRAMES + 24].try_into().unwrap());
    [FRAMES, next as usize]
}

pub fn all() -> Vec<Case> {
    let sound = topic(&[]);
    let mut cases = vec![case("sound", sound.clone()), case("new", vec![0; SIZE])];
    no_topics(&sound, &mut cases);
    states(&sound, &mut cases);
    frames(&sound, &mut cases);
    locks(&sound, &mut cases);
    packets(&mut cases);
    deadmen(&mut cases);
    cases
}

fn no_topics(sound: &[u8], cases: &mut Vec<Case>) {
    cases.extend([
        case("empty", vec![]),
        case("one byte", vec![0]),
        case("half a header", sound[..143].to_vec()),
        case("a header only", sound[..144].to_vec()),
        case("truncated", sound[..400].to_vec()),
        case("random", random(SIZE)),
        case("random behind the magic", with(&random(SIZE), 0, &sound[..16])),
        case("random behind the header", [&sound[..FRAMES], &random(SIZE - FRAMES)].concat()),
        case("wrong magic", with(sound, 0, b"ALEPHOMEGA")),
        case("wrong version", with(sound, 9, &[9])),
        case("half of version 0.2", with(&vec![0; SIZE], 0, &[1, 1])),
        case("random version 0.2", with(&random(SIZE), 0, &[1, 1])),
        case("page index 7", with(sound, PAGE_INDEX, &[7])),
        case("another namespace", with(sound, 132, &7_u32.to_le_bytes())),
        case("every flag", with(&with(sound, 24, &[0xFF; 8]), 36, &[0xFF; 12])),
    ]);
    for arena in [0, 143, 1 << 40, u64::MAX, SIZE as u64 + 1] {
        cases.push(case(format!("arena of {arena:#x}"), word(sound, ARENA, arena)));
    }
}

fn states(sound: &[u8], cases: &mut Vec<Case>) {
    let fields = ["seq_low", "seq_high", "off_head", "off_tail", "high_water_mark"];
    for (i, field) in fields.into_iter().enumerate() {
        for value in [0, 13, 1 << 40, u64::MAX, u64::MAX - 39] {
            let bytes = PAGES.iter().fold(sound.to_vec(), |bytes, page| word(&bytes, page + 8 * i, value));
            cases.push(case(format!("{field} {value:#x}"), bytes));
        }
    }
    let both = |low: u64, high: u64| {
        PAGES.iter().fold(sound.to_vec(), |bytes, page| word(&word(&bytes, *page, low), page + 8, high))
    };
    cases.push(case("low above high", both(9, 2)));
    cases.push(case("more messages than bytes", both(1, u64::MAX / 2)));
    cases.push(case("the last sequence number", both(u64::MAX, u64::MAX)));
    let tail_first = PAGES.iter().fold(sound.to_vec(), |bytes, page| {
        let [first, second] = first_frames(sound).map(|at| at as u64);
        word(&word(&bytes, page + 16, second), page + 24, first)
    });
    cases.push(case("tail before head", tail_first));
}

fn frames(sound: &[u8], cases: &mut Vec<Case>) {
    let [first, second] = first_frames(sound);
    let fields = ["seq", "off", "next_off", "prev_off", "data_size"];
    for (i, field) in fields.into_iter().enumerate() {
        for value in [0, 144, 1 << 40, u64::MAX, u64::MAX - 39, u64::MAX - 15] {
            cases.push(case(format!("frame {field} {value:#x}"), word(sound, second + 8 * i, value)));
        }
    }
    cases.push(case("a link to itself", word(sound, second + 16, second as u64)));
    cases.push(case("a link back", word(sound, second + 16, first as u64)));
}

fn locks(sound: &[u8], cases: &mut Vec<Case>) {
    for owner in [0x3FFF_FFFF_u32, 0x7FFF_FFFF, 0xBFFF_FFFF, 0x4000_0000, 0xC000_0000, 0x8000_0000, u32::MAX] {
        cases.push(case(format!("lock {owner:#x}"), with(sound, LOCK, &owner.to_le_bytes())));
        let new = with(&vec![0; SIZE], LOCK, &owner.to_le_bytes());
        cases.push(case(format!("lock {owner:#x} of a new file"), new));
    }
    // Lives as long as the machine.
    let init = 1_u32.to_le_bytes();
    cases.push(Case { held: true, ..case("lock of a live stranger", with(sound, LOCK, &init)) });
    cases.push(Case { held: true, ..case("lock of a live stranger, new", with(&vec![0; SIZE], LOCK, &init)) });
    cases.push(Case { own_lock: true, ..case("lock of the user itself", sound.to_vec()) });
}

fn packets(cases: &mut Vec<Case>) {
    let good = packet(&[("key", "value"), ("a0_log_level", "INFO")], b"payload");
    let mut add = |name: &str, bytes: Vec<u8>| cases.push(case(name, topic(&[&bytes])));
    add("an empty packet", vec![]);
    add("a short packet", good[..40].to_vec());
    for count in [1_u64 << 60, u64::MAX, u64::MAX / 16, 100] {
        add(&format!("{count:#x} headers"), word(&good, 37, count));
    }
    for (what, at) in [("key", 45), ("value", 53), ("payload", 45 + 32)] {
        for offset in [0, good.len() as u64 + 1, 1 << 40, u64::MAX] {
            add(&format!("{what} at {offset:#x}"), word(&good, at, offset));
        }
    }
    add("an id without NUL", with(&good, 36, b"x"));
    add("headers without NUL", good.iter().map(|byte| if *byte == 0 { 0xFF } else { *byte }).collect());
    let nuls: Vec<u8> = good.iter().enumerate().map(|(i, b)| if i >= 85 && *b == 0 { b'x' } else { *b }).collect();
    add("texts without NUL", nuls);
    add("headers that are not UTF-8", with(&good, 85, &[0xFF; 3]));
    for (kind, call) in [("a0_rpc_type", "a0_req_id"), ("a0_prpc_type", "a0_conn_id")] {
        for payload in [&b""[..], &[b'A'; 36], &[0; 37], &[0xFF; 37]] {
            add(
                &format!("{kind}: cancel of {} {:?}", payload.len(), payload.first()),
                packet(&[(kind, "cancel")], payload),
            );
        }
        add(&format!("{kind}: garbage"), packet(&[(kind, "\u{1}"), (call, "?")], b"x"));
        add(&format!("{kind}: an answer to nobody"), packet(&[(kind, "response"), (call, "?")], b"x"));
        let missed = kind.replace("type", "missed");
        for range in ["1-18446744073709551615", "5-1", "x", "", "-"] {
            add(&format!("{missed} {range}"), packet(&[(kind, "missed"), (missed.as_str(), range)], b""));
        }
    }
    for json in ["[".repeat(9000), "{\"a\":".repeat(1800), "1e999999".into(), "\"\\ud800\"".into(), "{".into()] {
        add(&format!("JSON {}…", &json[..1.max(json.len().min(6))]), packet(&[], json.as_bytes()));
    }
    for level in ["", "LOUD", "info", "\u{1b}[2J", "4294967296"] {
        add(&format!("log level {level:?}"), packet(&[("a0_log_level", level)], b"text"));
    }
    for times in ["", "-1", "99999999999999999999999999", "2024-99-99T99:99:99.999999999-00:00"] {
        let headers = [("a0_time_mono", times), ("a0_time_wall", times), ("a0_writer_seq", times)];
        add(&format!("times {times:?}"), packet(&headers, b"x"));
    }
}

fn deadmen(cases: &mut Vec<Case>) {
    for (size, owner) in [(32, 16), (72, 48)] {
        cases.push(case(format!("deadman of {size}"), vec![0; size]));
        cases.push(case(format!("deadman of {size}, every bit"), vec![0xFF; size]));
        cases.push(case(format!("deadman of {size}, random"), random(size)));
        for word in [1_u32, 0x3FFF_FFFF, 0x4000_0001, 0x7FFF_FFFF, 0x8000_0001, 0xC000_0000] {
            let mut bytes = with(&vec![0; size], owner, &word.to_le_bytes());
            if let Some(taken) = bytes.get_mut(64) {
                *taken = 1;
            }
            cases.push(case(format!("deadman of {size}, owner {word:#x}"), bytes));
        }
    }
    let guarded = with(&[0; 72], 16, &1_u32.to_le_bytes());
    cases.push(case("deadman of 72, guarded by a stranger", guarded));
}
