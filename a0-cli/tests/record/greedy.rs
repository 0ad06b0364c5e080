//! Files that say they are larger than they are, or that are no files.
#![allow(unsafe_code, reason = "nothing safe tells how much memory a child has used")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Root, finish};

const MIB: u64 = 1 << 20;

/// A record of MCAP.
fn entry(op: u8, body: &[u8]) -> Vec<u8> {
    [&[op][..], &(body.len() as u64).to_le_bytes(), body].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn channel(id: u16, name: &str) -> Vec<u8> {
    let body = [&id.to_le_bytes()[..], &[0; 2], &text(name), &text("alephzero/packet"), &[0; 4]].concat();
    entry(4, &body)
}

/// The start of a message with this many bytes behind its header.
fn message(len: u64) -> Vec<u8> {
    [&[5][..], &(22 + len).to_le_bytes(), &[0; 22]].concat()
}

/// A recording whose one chunk says that it has this many bytes, and has these.
fn recording(path: &Path, size: u64, mut records: impl Read) {
    let mut stored = zstd::Encoder::new(vec![], 1).unwrap();
    std::io::copy(&mut records, &mut stored).unwrap();
    let stored = stored.finish().unwrap();
    let sizes = [&[0; 16][..], &size.to_le_bytes(), &[0; 4], &text("zstd"), &(stored.len() as u64).to_le_bytes()];
    let chunk = entry(6, &[&sizes.concat()[..], &stored].concat());
    fs::write(path, [mcap::MAGIC, &entry(1, &[0; 8]), &channel(0, "t"), &chunk].concat()).unwrap();
}

/// What a command says, and the memory that it has used at most.
#[allow(clippy::zombie_processes, reason = "wait4 waits for it")]
fn run(mut command: Command) -> (String, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    // SAFETY: it is of numbers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = child.id().cast_signed();
    // SAFETY: both pointers are to what is to be written, or null.
    assert_eq!(unsafe { libc::wait4(pid, std::ptr::null_mut(), 0, &raw mut usage) }, pid);
    (said, usage.ru_maxrss.cast_unsigned() << 10)
}

#[test]
fn memory_is_for_what_is_there() {
    let root = Root::new();
    let path = root.path("greedy.mcap");
    let look = |command: &str| {
        assert!(path.metadata().unwrap().len() < MIB);
        run(root.command(&format!("{command} {}", path.display())))
    };
    let info = |most: u64| {
        let (said, memory) = look("info --format json");
        assert!(memory < most, "{} MiB for {said}", memory / MIB);
        serde_json::from_str::<Value>(&said).unwrap()
    };
    // One message of zeros.
    let len = 40 * MIB;
    let zeros = message(len).into_iter().collect::<Vec<_>>();
    recording(&path, 31 + len, zeros.chain(std::io::repeat(0).take(len)));
    let facts = info(32 * MIB);
    assert_eq!((&facts["messages"], &facts["topics"][0]["bytes"]), (&1.into(), &len.into()));
    // It is left out.
    let (_, memory) = look("replay --start 1");
    assert!(memory < 2 * len, "{} MiB", memory / MIB);
    // Many without anything in them.
    let many = 560_000;
    recording(&path, 31 * many, &*message(0).repeat(many as usize));
    assert_eq!(info(32 * MIB)["messages"], many);
    // Less than it says: nothing of it counts.
    for (size, records) in [(500 * MIB, message(400 * MIB)), (31 + 400 * MIB, message(400 * MIB)), (500 * MIB, vec![])]
    {
        recording(&path, size, &*records);
        let facts = info(32 * MIB);
        assert_eq!(facts["messages"], 0);
        assert!(facts["problem"].as_str().unwrap().contains("a damaged chunk"), "{facts}");
    }
    // Topics with long names.
    let channels: Vec<_> = (1..=20_000).flat_map(|id| channel(id, &format!("{id:4096}"))).collect();
    recording(&path, channels.len() as u64, &*channels);
    let facts = info(160 * MIB);
    assert!(facts["problem"].as_str().unwrap().contains("more about topics than a recorder"), "{facts}");
}

/// A file of one page that says, of a size that costs nothing, that it has a large message or a large chunk.
#[test]
fn holes_in_recordings_take_no_memory() {
    let root = Root::new();
    let path = root.path("sparse.mcap");
    for op in [5, 6] {
        let claim = [&[op][..], &(400 * MIB).to_le_bytes(), &[0; 64]].concat();
        fs::write(&path, [mcap::MAGIC, &entry(1, &[0; 8]), &channel(0, "t"), &claim].concat()).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
        let (said, memory) = run(root.command(&format!("info --format json {}", path.display())));
        assert!(memory < 32 * MIB, "{} MiB for {said}", memory / MIB);
        let facts: Value = serde_json::from_str(&said).unwrap();
        assert!(facts["problem"].as_str().unwrap().contains("most of the next 400.0 MiB is a hole"), "{facts}");
    }
}

/// Nobody waits for who may never write.
#[test]
fn pipes_and_devices_in_place_of_files() {
    let root = Root::new();
    root.ok("pub t x");
    let pipe = root.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(pipe.metadata().unwrap().file_type().is_fifo());
    let soon = Duration::from_secs(20);
    for command in ["info", "replay"] {
        let said = finish(root.start(&format!("{command} {}", pipe.display())), soon);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains("pipe is a pipe or a device: write what comes to a file"), "{said:?}");
    }
    let check = |path: &str| root.command(&format!("record --check --rules {path}"));
    let said = finish(check(&pipe.display().to_string()).spawn().unwrap(), soon);
    assert!(said.code == Some(1) && said.err.contains("not JSON"), "{said:?}");
    let said = finish(check("/dev/zero").spawn().unwrap(), soon);
    assert!(said.code == Some(1) && said.err.contains("/dev/zero is longer than 16"), "{said:?}");
    // Whoever is there and writes is waited for.
    let mut recorder = check("/dev/stdin").stdin(Stdio::piped()).spawn().unwrap();
    let rules =
        json!({"rules": [{"protocol": "pubsub", "topic": "t", "policies": [{"type": "save_all"}]}]}).to_string();
    let mut input = recorder.stdin.take().unwrap();
    for half in [&rules[..10], &rules[10..]] {
        std::thread::sleep(Duration::from_millis(50));
        input.write_all(half.as_bytes()).unwrap();
    }
    drop(input);
    let said = finish(recorder, soon);
    assert!(said.code == Some(0) && said.out.contains("rules[0]  save_all"), "{said:?}");
}
