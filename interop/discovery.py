"""Each side discovers the topics of both, once each, and path globs mean the same to both."""

import itertools
import json
import os
import random
import sys
import time
from pathlib import Path

import a0

import harness
from harness import Peer, scenario

TOPICS = 20
PAIRS = 20_000

harness.LANGUAGES["rust discovery"] = [str(Path(os.environ["INTEROP_RUST"]).with_name("discovery_peer"))]
harness.LANGUAGES["python discovery"] = [sys.executable, __file__, "peer"]


def create(names):
    """Half of them by Python, half by Rust."""
    for name in names[::2]:
        a0.Publisher(name)
    for name in names[1::2]:
        with Peer("rust", "end", name) as peer:
            peer.go().report()


def python_peer():
    """The Python side: waits for a line with a number; reports so many paths, and whatever comes in the moment after."""
    seen = []
    # Kept for good: the package deadlocks if it is dropped while a callback is about to return.
    discovery = a0.Discovery("**/*.pubsub.a0", seen.append)
    print("ready", flush=True)
    expected = int(sys.stdin.readline())
    deadline = time.monotonic() + harness.PATIENCE / 2
    while len(seen) < expected and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    print(json.dumps(seen), flush=True)
    os._exit(0)


def discovery():
    names = [f"{'deep/' * (n % 5)}topic{n}" for n in range(TOPICS)]
    early, late = names[: TOPICS // 2], names[TOPICS // 2 :]
    create(early)
    with Peer("python discovery") as python, Peer("rust discovery", "discover", "**") as rust:
        create(late)
        server = a0.RpcServer("deep/server", lambda request: request.reply(""), None)
        expected = sorted([["found", "pubsub", name] for name in names] + [["found", "rpc", "deep/server"]])
        events = rust.go(str(len(expected))).report()
        seen = python.go(str(len(names))).report()
        del server
    assert sorted(events) == expected, f"Rust has discovered {events}"
    assert sorted(seen) == sorted(str(harness.path(name)) for name in names), f"Python has discovered {seen}"
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
    with Peer("rust discovery", "glob") as rust:
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


if sys.argv[1:] == ["peer"]:
    python_peer()
else:
    scenario(run)
