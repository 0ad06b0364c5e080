"""Each side discovers the topics of both, once each, and path globs mean the same to both."""

import itertools
import json
import os
import random
import threading
import time
from pathlib import Path

import a0

import harness
from harness import Peer, scenario

TOPICS = 20
PAIRS = 20_000

harness.LANGUAGES["discovery"] = [str(Path(os.environ["INTEROP_RUST"]).with_name("discovery_peer"))]


def create(names):
    """Half of them by Python, half by Rust."""
    for name in names[::2]:
        a0.Publisher(name)
    for name in names[1::2]:
        with Peer("rust", "end", name) as peer:
            peer.go().report()


def discovery():
    names = [f"{'deep/' * (n % 5)}topic{n}" for n in range(TOPICS)]
    early, late = names[: TOPICS // 2], names[TOPICS // 2 :]
    seen, lock = [], threading.Lock()

    def note(path):
        with lock:
            seen.append(path)

    create(early)
    python = a0.Discovery("**/*.pubsub.a0", note)
    with Peer("discovery", "discover", "**") as rust:
        create(late)
        server = a0.RpcServer("deep/server", lambda request: request.reply(""), None)
        expected = sorted([["found", "pubsub", name] for name in names] + [["found", "rpc", "deep/server"]])
        events = rust.go(str(len(expected))).report()
    assert sorted(events) == expected, f"Rust has discovered {events}"
    paths = sorted(str(harness.path(name)) for name in names)
    deadline = time.monotonic() + harness.PATIENCE
    while len(seen) < len(paths) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(seen) == paths, f"Python has discovered {seen}"
    del python, server
    print(f"  {len(expected)} topics discovered by both, once each")


def globs():
    rng = random.Random(7)
    names = ["".join(letters) for length in range(1, 4) for letters in itertools.product("ab*", repeat=length)]
    names += ["**"] * 20
    plain = [name for name in names if "*" not in name]
    pairs = []
    for _ in range(PAIRS):
        pattern = [rng.choice(names) for _ in range(rng.randint(1, 5))]
        # At the end it means more to us.
        if pattern[-1] == "**":
            pattern.append("*")
        start = rng.choice(["/", ""])
        pairs.append((start + "/".join(pattern), start + "/".join(rng.choice(plain) for _ in range(rng.randint(1, 5)))))
    with Peer("discovery", "glob") as rust:
        ours = rust.go(json.dumps(pairs)).report()
    matches = 0
    for (pattern, path), our in zip(pairs, ours, strict=True):
        # The package expects absolute paths.
        absolute = path if path.startswith("/") else f"{os.environ['A0_ROOT']}/{path}"
        assert a0.PathGlob(pattern).match(absolute) == our, f"{pattern} {path}: {our} in Rust"
        matches += our
    assert matches > PAIRS / 20, "too few patterns match for a test"
    print(f"  {PAIRS} globs alike, {matches} of them match")


def run():
    globs()
    discovery()


scenario(run)
