//! Directories, links and files that come, go and move.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use a0_std::{Discovery, DiscoverySync, Error, PathGlob, Protocol};

use super::{Ledger, create, dir, discover, expect, found, quiet, removed, truth};

#[test]
fn patterns_match_as_in_0_3() {
    let root = a0_testkit::private_root::root();
    let below = |path: &str| root.join(path).to_str().unwrap().to_owned();
    let matches = |pattern: &str, path: &str| PathGlob::new(pattern).unwrap().matches(path);
    for (pattern, path) in [
        ("/s/a/f.a0", "/s/a/f.a0"),
        ("/s/*/f.a0", "/s/a/f.a0"),
        ("/s/*/*.a0", "/s/a/f.a0"),
        ("/s/**/*.a0", "/s/f.a0"),
        ("/s/**/*.a0", "/s/a/f.a0"),
        ("/s/**/*.a0", "/s/a/b/f.a0"),
        ("/s/**/b/*.a0", "/s/a/b/f.a0"),
        ("/s/**/b/*.a0", "/s/b/f.a0"),
        ("/s/*.a0", "/s/.f.a0"),
        ("/s/*.a0", "/s/.a0"),
        ("/a/**x/b", "/a/12x/b"),
        ("/dev/shm/**", "/dev/shm/foo.a0"),
        ("/dev/shm/**/**/**/**/**/*******b***/*.a0", "/dev/shm/a/b/foo.a0"),
        ("foo.a0", "foo.a0"),
        ("foo.a0", &below("foo.a0")),
        ("**/*.a0", &below("a/b/c.a0")),
        // Differs from 0.3.
        ("/d/**", "/d/a/x"),
    ] {
        assert!(matches(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("/s/a/f.a0", "/s/a/b/f.a0"),
        ("/s/*/f.a0", "/s/a/b/f.a0"),
        ("/s/*/*.a0", "/s/a/b/f.a0"),
        ("/s/**/b/*.a0", "/s/a/f.a0"),
        ("/s/**/f.a0/**/f.a0", "/s/f.a0"),
        ("/a/**x/b", "/a/1/2x/b"),
        ("/d/**", "/d"),
        ("/d/x", "/d//x"),
        ("/d//x", "/d/x"),
        ("/d?", "/da"),
        ("/d[a]", "/da"),
        ("foo.a0", "/foo.a0"),
        ("**/*.a0", "/foo.a0"),
    ] {
        assert!(!matches(pattern, path), "{pattern} {path}");
    }
    assert_eq!(PathGlob::new("a/*").unwrap().as_path(), root.join("a/*"));
    // 0.3 has room for 32 components.
    let deep = "/d".repeat(100);
    assert!(matches(&format!("{deep}/*"), &format!("{deep}/f")));
    let error = PathGlob::new("").unwrap_err();
    assert!(
        matches!(error, Error::BadPattern { .. }) && error.to_string().starts_with("invalid pattern \"\": "),
        "{error}"
    );
}

#[test]
fn what_cannot_be_discovered_is_an_error() {
    a0_testkit::private_root::root();
    for pattern in ["", "../x", "a/../*"] {
        assert!(matches!(DiscoverySync::new(pattern), Err(Error::BadPattern { .. })), "{pattern}");
        assert!(matches!(DiscoverySync::topics(Protocol::Rpc, pattern), Err(Error::BadPattern { .. })), "{pattern}");
    }
    assert!(matches!(Discovery::topics(Protocol::Rpc, "/x", |_| ()), Err(Error::BadPattern { .. })));
}

#[test]
fn before_and_after_the_start_and_deep_down() {
    let dir = dir();
    let path = |depth: usize, name: &str| dir.path().join("d/".repeat(depth)).join(name);
    let early: Vec<_> = (0..=13).map(|depth| create(path(depth, "early.a0"))).collect();
    create(path(3, "other"));
    let mut discovery = discover(&dir, "**/*.a0");
    expect(&mut discovery, early.iter().map(found));
    let late: Vec<_> = (0..=13).map(|depth| create(path(depth, "late.a0"))).collect();
    let new: Vec<_> = (0..=13).map(|depth| create(path(depth, "new/new.a0"))).collect();
    expect(&mut discovery, late.iter().chain(&new).map(found));
    fs::remove_dir_all(path(5, "")).unwrap();
    let gone = early.iter().chain(&late).chain(&new).filter(|path| !path.exists());
    expect(&mut discovery, gone.map(removed));
    assert_eq!(discovery.unwatched(), 0);
}

#[test]
fn exact_paths_and_roots_that_do_not_exist_yet() {
    let dir = dir();
    let path = dir.path().join("not/yet/there/x.a0");
    let mut exact = DiscoverySync::new(&path).unwrap();
    let mut all = discover(&dir, "not/yet/**");
    quiet(&mut exact);
    quiet(&mut all);
    create(&path);
    create(dir.path().join("not/yet/there/y.a0/z"));
    expect(&mut exact, [found(&path)]);
    expect(&mut all, [found(&path), found(dir.path().join("not/yet/there/y.a0/z"))]);
    expect(&mut DiscoverySync::new(&path).unwrap(), [found(&path)]);
    // The root goes away, by removal and by renaming something above it, and comes back.
    fs::remove_dir_all(dir.path().join("not")).unwrap();
    expect(&mut exact, [removed(&path)]);
    create(&path);
    expect(&mut exact, [found(&path)]);
    fs::rename(dir.path().join("not"), dir.path().join("now")).unwrap();
    expect(&mut exact, [removed(&path)]);
    create(dir.path().join("now/yet/there/other.a0"));
    quiet(&mut exact);
    fs::rename(dir.path().join("now"), dir.path().join("not")).unwrap();
    expect(&mut exact, [found(&path)]);
    expect(
        &mut all,
        [
            removed(&path),
            removed(dir.path().join("not/yet/there/y.a0/z")),
            found(&path),
            found(dir.path().join("not/yet/there/other.a0")),
        ],
    );
}

#[test]
fn renamed_replaced_and_created_again() {
    let dir = dir();
    let (outside, path, other) = (dir.path().join("outside"), dir.path().join("in/a.a0"), dir.path().join("in/b.a0"));
    fs::create_dir(dir.path().join("in")).unwrap();
    let mut discovery = discover(&dir, "in/*.a0");
    // Into place, within, and out.
    fs::rename(create(&outside), &path).unwrap();
    expect(&mut discovery, [found(&path)]);
    fs::rename(&path, &other).unwrap();
    expect(&mut discovery, [removed(&path), found(&other)]);
    fs::rename(&other, &outside).unwrap();
    expect(&mut discovery, [removed(&other)]);
    // A link, as topics are created.
    fs::hard_link(&outside, &path).unwrap();
    expect(&mut discovery, [found(&path)]);
    // Removed and created again, and replaced, before anybody looks.
    fs::remove_file(&path).unwrap();
    create(&path);
    expect(&mut discovery, [removed(&path), found(&path)]);
    fs::rename(create(dir.path().join("another")), &path).unwrap();
    expect(&mut discovery, [removed(&path), found(&path)]);
    // A directory in the place of a file, and the other way round.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    expect(&mut discovery, [removed(&path)]);
    fs::remove_dir(&path).unwrap();
    create(&path);
    expect(&mut discovery, [found(&path)]);
    // What is neither found nor removed for whoever looks later.
    create(dir.path().join("in/short.a0"));
    fs::remove_file(dir.path().join("in/short.a0")).unwrap();
    quiet(&mut discovery);
}

#[test]
fn directories_move_with_all_that_is_in_them() {
    let (dir, elsewhere) = (dir(), dir());
    let names = ["x.a0", "deep/y.a0", "deep/er/z.a0"];
    let mut discovery = discover(&dir, "**/*.a0");
    quiet(&mut discovery);
    let (here, there) = (dir.path().join("box"), elsewhere.path().join("box"));
    names.iter().for_each(|name| drop(create(there.join(name))));
    fs::rename(&there, &here).unwrap();
    expect(&mut discovery, names.map(|name| found(here.join(name))));
    let renamed = dir.path().join("renamed");
    fs::rename(&here, &renamed).unwrap();
    expect(&mut discovery, names.iter().flat_map(|name| [removed(here.join(name)), found(renamed.join(name))]));
    create(renamed.join("deep/new.a0"));
    expect(&mut discovery, [found(renamed.join("deep/new.a0"))]);
    fs::rename(&renamed, &there).unwrap();
    let gone = names.iter().chain(&["deep/new.a0"]).map(|name| removed(renamed.join(name)));
    expect(&mut discovery, gone);
    create(there.join("deep/late.a0"));
    quiet(&mut discovery);
    // Two directories change places.
    names.iter().for_each(|name| drop(create(here.join(name))));
    create(dir.path().join("second/only.a0"));
    let mut ledger = Ledger::default();
    ledger.settle(&mut discovery, &truth(dir.path()));
    fs::rename(&here, dir.path().join("third")).unwrap();
    fs::rename(dir.path().join("second"), &here).unwrap();
    fs::rename(dir.path().join("third"), dir.path().join("second")).unwrap();
    ledger.settle(&mut discovery, &truth(dir.path()));
    create(here.join("after.a0"));
    expect(&mut discovery, [found(here.join("after.a0"))]);
}

#[test]
fn links_specials_and_temporaries() {
    let (dir, elsewhere) = (dir(), dir());
    let file = create(dir.path().join("real/file"));
    let mut discovery = discover(&dir, "**");
    expect(&mut discovery, [found(&file)]);
    // Circles, and links that lead nowhere or to a directory.
    symlink(dir.path(), dir.path().join("real/circle")).unwrap();
    symlink(".", dir.path().join("real/self")).unwrap();
    symlink("loop", dir.path().join("real/loop")).unwrap();
    symlink("nowhere", dir.path().join("real/dangling")).unwrap();
    create(dir.path().join("real/.alephzero_mkstemp.Ab12Cd"));
    let fifo = dir.path().join("real/fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let link = dir.path().join("real/link");
    symlink(&file, &link).unwrap();
    expect(&mut discovery, [found(&link)]);
    expect(&mut discover(&dir, "**"), [found(&file), found(&link)]);
    // Links that the pattern itself names.
    let entry = elsewhere.path().join("entry");
    symlink(dir.path(), &entry).unwrap();
    let mut through = discover(&elsewhere, "entry/real/f*");
    expect(&mut through, [found(entry.join("real/file"))]);
    create(dir.path().join("real/f2"));
    expect(&mut through, [found(entry.join("real/f2"))]);
    fs::remove_file(&entry).unwrap();
    expect(&mut through, [removed(entry.join("real/file")), removed(entry.join("real/f2"))]);
}

#[test]
fn a_link_on_the_way_may_lead_nowhere_at_first() {
    let (dir, elsewhere) = (dir(), dir());
    let (entry, target) = (dir.path().join("entry"), elsewhere.path().join("later"));
    symlink(&target, &entry).unwrap();
    let mut discovery = discover(&dir, "entry/*");
    quiet(&mut discovery);
    create(target.join("x"));
    expect(&mut discovery, [found(entry.join("x"))]);
    fs::remove_dir_all(&target).unwrap();
    expect(&mut discovery, [removed(entry.join("x"))]);
    create(target.join("y"));
    expect(&mut discovery, [found(entry.join("y"))]);
}
