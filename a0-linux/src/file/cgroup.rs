//! Memory that this program may still use, where its control group has a limit.
//!
//! The pages of a tmpfs count as memory of whoever touches them first. Where that is more than the limit permits, the kernel
//! ends a program of the group without a word, so it is better not to try. What cannot be read is no limit.

use std::fs;
use std::path::{Path, PathBuf};

/// No limit is a number there, the largest one that ends with a page.
const NONE_OF_VERSION_1: u64 = 1 << 62;

/// What a control group leaves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) group: PathBuf,
    /// Bytes.
    pub(super) left: u64,
}

/// What the tightest control group of this program leaves; `None` if none has a limit.
pub(super) fn room() -> Option<Room> {
    let memberships = fs::read_to_string("/proc/self/cgroup").ok()?;
    let swap = fs::read_to_string("/proc/meminfo").ok().and_then(|text| sum(&text, &["SwapFree:"]));
    tightest(Path::new("/sys/fs/cgroup"), &memberships, swap.unwrap_or(0) << 10)
}

/// The same for control groups that are mounted below `mounts`, and so many free bytes of swap space.
fn tightest(mounts: &Path, memberships: &str, swap: u64) -> Option<Room> {
    memberships.lines().filter_map(|line| of_hierarchy(mounts, line, swap)).min_by_key(|room| room.left)
}

/// The tightest of one group and those around it: `4:memory:/user/7`, or of version 2, `0::/user/7`.
fn of_hierarchy(mounts: &Path, line: &str, swap: u64) -> Option<Room> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
    let (mount, left): (_, fn(&Path, u64) -> Option<u64>) = match controllers {
        "" => (mounts.to_owned(), left_of_version_2),
        _ if controllers.split(',').any(|name| name == "memory") => (mounts.join("memory"), left_of_version_1),
        _ => return None,
    };
    // In a container, the groups around its own are named, but not there.
    let groups = Path::new(path).ancestors().map(|group| mount.join(group));
    groups.filter_map(|group| Some(Room { left: left(&group, swap)?, group })).min_by_key(|room| room.left)
}

fn left_of_version_2(group: &Path, swap: u64) -> Option<u64> {
    let most = number(group, "memory.max")?;
    let swap = match (number(group, "memory.swap.max"), number(group, "memory.swap.current")) {
        (Some(most), Some(used)) => swap.min(most.saturating_sub(used)),
        _ => swap,
    };
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let given_back = sum(&stat, &["active_file ", "inactive_file ", "slab_reclaimable "]).unwrap_or(0);
    let used = number(group, "memory.current")?.saturating_sub(given_back);
    Some(most.saturating_add(swap).saturating_sub(used))
}

fn left_of_version_1(group: &Path, swap: u64) -> Option<u64> {
    let most = number(group, "memory.limit_in_bytes").filter(|most| *most < NONE_OF_VERSION_1)?;
    let swap = match number(group, "memory.memsw.limit_in_bytes") {
        Some(both) => swap.min(both.saturating_sub(most)),
        None => swap,
    };
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let given_back = sum(&stat, &["total_active_file ", "total_inactive_file "]).unwrap_or(0);
    let used = number(group, "memory.usage_in_bytes")?.saturating_sub(given_back);
    Some(most.saturating_add(swap).saturating_sub(used))
}

/// The number in a file; `None` also for `max`.
fn number(group: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
}

/// The sum of the numbers in the lines that begin with these words; `None` if there are none.
fn sum(text: &str, words: &[&str]) -> Option<u64> {
    let value = |line: &str| {
        let rest = words.iter().find_map(|word| line.strip_prefix(word))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    text.lines().filter_map(value).reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mounts = tempfile::tempdir().unwrap();
        for (file, content) in files {
            let path = mounts.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        mounts
    }

    fn found(mounts: &tempfile::TempDir, memberships: &str, swap: u64) -> Option<(String, u64)> {
        let room = tightest(mounts.path(), memberships, swap)?;
        Some((room.group.strip_prefix(mounts.path()).unwrap().display().to_string(), room.left))
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let mounts = groups(&[
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "50\n"),
            ("a/memory.max", "1000\n"),
            ("a/memory.current", "900\n"),
            ("a/memory.stat", "anon 7\ninactive_file 30\nactive_file 20\nslab_reclaimable 5\nfile_dirty 3\n"),
            ("memory.max", "5000\n"),
            ("memory.current", "1000\n"),
        ]);
        assert_eq!(found(&mounts, "0::/a/b\n", 0), Some(("a".into(), 155)));
        assert_eq!(found(&mounts, "0::/a/b\n", 1000), Some(("a".into(), 1155)));
        assert_eq!(found(&mounts, "1:cpu:/a/b\n0::/elsewhere/b\n", 0), Some(("".into(), 4000)), "as in a container");
        fs::write(mounts.path().join("a/memory.swap.max"), "10").unwrap();
        fs::write(mounts.path().join("a/memory.swap.current"), "4").unwrap();
        assert_eq!(found(&mounts, "0::/a/b\n", 1000), Some(("a".into(), 161)));
    }

    #[test]
    fn version_1_has_limits_too() {
        let mounts = groups(&[
            ("memory/a/memory.limit_in_bytes", "1000\n"),
            ("memory/a/memory.usage_in_bytes", "900\n"),
            ("memory/a/memory.stat", "active_file 1\ntotal_inactive_file 30\ntotal_active_file 20\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "1000\n"),
        ]);
        assert_eq!(found(&mounts, "5:cpu:/x\n4:hugetlb,memory:/a\n0::/\n", 0), Some(("memory/a".into(), 150)));
        fs::write(mounts.path().join("memory/a/memory.memsw.limit_in_bytes"), "1007").unwrap();
        assert_eq!(found(&mounts, "4:memory:/a\n", 1000), Some(("memory/a".into(), 157)));
        assert_eq!(found(&mounts, "4:memory:/\n", 0), None);
    }

    #[test]
    fn what_is_not_there_is_no_limit() {
        let mounts = groups(&[("memory.max", "1000\n"), ("b/memory.max", "nonsense"), ("b/memory.current", "5")]);
        for memberships in ["", "0::/b", "0::/", "nonsense", "4:memory:/"] {
            assert_eq!(found(&mounts, memberships, 0), None, "{memberships}");
        }
    }
}
