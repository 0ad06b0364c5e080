//! Any bytes as a time, an id, or a pattern of paths: refused, or what a plainer reading of the rules says.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use a0_std::{Id, PathGlob, TimeMono, TimeWall};
use libfuzzer_sys::fuzz_target;

/// The rules of patterns, word by word, trying everything: slow, so inputs are short.
fn naive(pattern: &[&[u8]], text: &[&[u8]]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b"**"] => !text.is_empty(),
        [b"**", rest @ ..] => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        [first, rest @ ..] => !text.is_empty() && naive_like(first, text[0]) && naive(rest, &text[1..]),
    }
}

fn naive_like(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => (0..=name.len()).any(|taken| naive_like(rest, &name[taken..])),
        [byte, rest @ ..] => name.first() == Some(byte) && naive_like(rest, &name[1..]),
    }
}

/// Pattern and path are divided by a zero byte.
fn patterns(bytes: &[u8]) {
    let Some(middle) = bytes.iter().position(|byte| *byte == 0) else { return };
    let absolute = |bytes: &[u8]| [b"/", bytes].concat();
    let (pattern, path) = (absolute(&bytes[..middle]), absolute(&bytes[middle + 1..]));
    let glob = PathGlob::new(OsStr::from_bytes(&pattern)).expect("any absolute path is a pattern");
    let matches = glob.matches(OsStr::from_bytes(&path));
    if pattern.len() + path.len() < 24 {
        let split = |bytes| <[u8]>::split(bytes, |byte| *byte == b'/').collect::<Vec<_>>();
        assert_eq!(matches, naive(&split(&pattern[1..]), &split(&path[1..])));
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(time) = TimeMono::parse(bytes) {
        assert_eq!(time.to_text().as_bytes(), &bytes[..19]);
        assert!(time <= TimeMono::MAX);
    }
    if let Ok(time) = TimeWall::parse(bytes) {
        // Days that a month does not have are carried, so the text may differ, but not the time.
        assert_eq!(TimeWall::parse(time.to_text().as_bytes()), Ok(time));
        assert!((TimeWall::MIN..=TimeWall::MAX).contains(&time));
        let span = Duration::new(u64::from(bytes[0]) << bytes[1], bytes[2].into());
        if let Some(later) = time.checked_add(span) {
            assert_eq!((later.checked_sub(span), later.checked_duration_since(time)), (Some(time), Some(span)));
        }
    }
    if let Ok(id) = Id::parse(bytes) {
        assert_eq!(id.as_str().as_bytes(), bytes);
        assert_eq!(Id::from_wire(&id.to_wire()).map(|id| id.as_str().to_owned()), Ok(id.as_str().to_owned()));
    }
    patterns(bytes);
});
