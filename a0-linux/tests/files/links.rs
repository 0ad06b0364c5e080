//! Links that other users have put where topics lie. These tests need root.
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail it")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::common::{entries, on_each_filesystem, open, small};
use a0_linux::{DeadmanFile, DeadmanLayout, FileError, FileOptions, Mode, TopicFile, remove};

const SOMEBODY: u32 = 65534;

/// Somebody's directory, and a place of ours with a file of zeros, as a disk image may be.
fn places(dir: &Path) -> (PathBuf, PathBuf) {
    let (theirs, ours) = (dir.join("theirs"), dir.join("ours"));
    for place in [&theirs, &ours] {
        fs::create_dir(place).unwrap();
    }
    lchown(&theirs, Some(SOMEBODY), None).unwrap();
    fs::set_permissions(&theirs, Permissions::from_mode(0o777)).unwrap();
    fs::write(ours.join("image"), [0; 4096]).unwrap();
    fs::write(ours.join("deadman"), [0; 32]).unwrap();
    (theirs, ours)
}

fn theirs(target: impl AsRef<Path>, link: &Path) {
    symlink(target, link).unwrap();
    lchown(link, Some(SOMEBODY), None).unwrap();
}

fn is_refused<T>(result: Result<T, FileError>, link: &Path) -> bool {
    matches!(result, Err(FileError::ForeignLink { path, owner: SOMEBODY }) if path == link)
}

#[test]
fn what_somebody_else_has_linked_is_left_alone() {
    on_each_filesystem(|dir| {
        let (place, ours) = places(dir);
        let (topic, deadman, part, dangling) =
            (place.join("topic"), place.join("deadman"), place.join("part"), place.join("dangling"));
        theirs(ours.join("image"), &topic);
        theirs("../ours/deadman", &deadman);
        theirs(&ours, &part);
        theirs(ours.join("new"), &dangling);
        for access in [Mode::Shared, Mode::Exclusive, Mode::ReadOnly] {
            let options = small().access(access);
            for (path, link) in [
                (topic.clone(), &topic),
                (dangling.clone(), &dangling),
                (part.join("image"), &part),
                (part.join("new/topic"), &part),
            ] {
                let refused = TopicFile::open(&path, &options);
                assert!(is_refused(refused, link), "{} {access:?}", path.display());
            }
            assert!(is_refused(DeadmanFile::open(&deadman, &options, DeadmanLayout::Bytes32), &deadman));
        }
        assert!(is_refused(remove(&part.join("image")), &part));
        // A link of our own that leads to theirs.
        symlink(&topic, dir.join("own")).unwrap();
        assert!(is_refused(TopicFile::open(&dir.join("own"), &small()), &topic));
        assert_eq!(entries(&ours), ["deadman", "image"]);
        assert!(fs::read(ours.join("image")).unwrap() == [0; 4096], "somebody's link was written through");
        // The link itself can be removed.
        assert!(remove(&topic).unwrap() && remove(&dangling).unwrap());
        assert_eq!(entries(&place), ["deadman", "part"]);
    });
}

#[test]
fn ones_own_links_are_followed() {
    on_each_filesystem(|dir| {
        let (place, ours) = places(dir);
        symlink(ours.join("image"), place.join("absolute")).unwrap();
        symlink("../ours/./image", place.join("relative")).unwrap();
        symlink("relative", place.join("chain")).unwrap();
        symlink("..", place.join("up")).unwrap();
        let image = open(&ours.join("image"), &small()).0.identity();
        for path in ["absolute", "relative", "chain", "up/ours/image", "up/theirs/up/theirs/chain"] {
            assert_eq!(open(&place.join(path), &small()).0.identity(), image, "{path}");
        }
        open(&place.join("up/ours/new/topic"), &small());
        assert_eq!(entries(&ours.join("new")), ["topic"]);
        // Links that only the kernel can follow: what is open here, and where this program works.
        let file = fs::File::options().read(true).write(true).open(ours.join("image")).unwrap();
        let directory = fs::File::open(&ours).unwrap();
        use std::os::fd::AsRawFd;
        let of = |file: &fs::File| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        assert_eq!(open(&of(&file), &small()).0.identity(), image);
        assert_eq!(open(&of(&directory).join("image"), &small()).0.identity(), image);
        open(&of(&directory).join("newer/topic"), &FileOptions::default().size(4096));
        assert!(remove(&ours.join("newer/topic")).unwrap());
    });
}
