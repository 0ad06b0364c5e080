"""Configurations: the same bytes from the same patch, and no patch lost when both languages patch at once."""

import json
import random
import time

from harness import STALL_MS, Peer, owner_died, path, raw_packets, scenario

COUNT = 200
KILLS = 15

# Without escapes and large numbers, which the two write differently.
CASES = [
    ('{"a":"b"}', {"a": None, "b": "c"}),
    (' {"bar": {"baz": 3}} ', {"bar": {"baz": 3, "bat": 4}, "zzz": 6}),
    ('{"bar":{"baz":3,"bat":4},"zzz":6}', {"bar": {"bat": 5}}),
    ('{"a":1,"b":2,"c":3,"d":4}', {"d": 5, "b": None, "new": {"k": None, "l": [None]}}),
    ('{"e":{"x":1,"y":{"z":[1,2]},"w":0}}', {"e": {"y": {"z": [3]}, "x": None}}),
    ('{"f":1.0,"g":0.1,"h":-0.0,"i":18446744073709551615,"j":-9223372036854775808}', {}),
    ('{"t":true,"n":null,"s":"text \\"quoted\\" \\\\ \\n\\t"}', {"t": False}),
    ("[1,2]", {"a": 1}),
    ('"text"', {}),
    ('{"nested":{"a":1}}', {"nested": 7}),
    ('{"nested":7}', {"nested": {"a": {"b": None}}}),
]


def file(topic):
    return path(topic).with_name(topic + ".cfg.a0")


def apply(language, cases):
    with Peer(language, "cfg-apply", "bytes") as peer:
        peer.process.stdin.write("".join(json.dumps(case) + "\n" for case in cases))
        return peer.report()


def same_bytes():
    results = [apply(language, CASES) for language in ("rust", "python")]
    for case, rust, python in zip(CASES, *results):
        assert rust == python, f"{case}: {rust} from Rust, {python} from Python"
    assert len(results[0]) == len(CASES)
    # What 0.3 writes is understood, even where it is no JSON; and the other way round.
    odd = '{"a":1e-7,"b":1e+300,"c":"/ é 🦀"}'
    [from_python] = apply("python", [(odd, {})])
    assert "1.e-7" in from_python
    [from_rust] = apply("rust", [(from_python, {})])
    assert json.loads(from_rust) == json.loads(odd)
    assert apply("python", [(from_rust, {})]) == [from_python]
    print(f"  {len(CASES)} patches: the same bytes")


def at_once():
    with (
        Peer("rust", "cfg-watch", "all") as rust,
        Peer("python", "cfg-watch", "all") as python,
    ):
        languages = {"r1": "rust", "p1": "python", "r2": "rust", "p2": "python"}
        patchers = {
            name: Peer(language, "cfg-patch", "all", "--name", name, "--count", COUNT)
            for name, language in languages.items()
        }
        for peer in patchers.values():
            peer.go()
        for peer in patchers.values():
            report = peer.report()
            assert report["longest_ms"] < STALL_MS, f"{peer.name}: a patch stood still: {report}"
            print(f"  {peer.name}: {report}")
        with Peer("rust", "cfg-patch", "all", "--name", "end", "--count", 1) as end:
            end.go().report()
        expected = {name: {str(n): n for n in range(COUNT)} for name in languages} | {"end": {"0": 0}}
        for watcher in rust, python:
            report = watcher.report()
            assert report["config"] == expected, f"{watcher.name}: patches were lost"
            assert report["end"] == 0
            assert 1 <= report["seen"] <= len(languages) * COUNT + 1
    # Each patch is one message, and the last one is everything.
    assert raw_packets(file("all"))[-1][0] == len(languages) * COUNT + 1


def killed():
    """Patching processes are killed; what is left is never half a patch, and nobody's patch is lost."""
    rng = random.Random(1)
    died_holding = 0
    for n in range(KILLS):
        language = ("rust", "python")[n % 2]
        with Peer(language, "cfg-patch", "killed", "--name", "victim", "--count", 0) as victim:
            victim.go()
            time.sleep(0.002 + rng.random() * 0.02)
            victim.kill()
        died_holding += owner_died(file("killed"))
        for survivor in "rust", "python":
            with Peer(survivor, "cfg-patch", "killed", "--name", f"{survivor}{n}", "--count", 1) as peer:
                assert peer.go().report()["longest_ms"] < STALL_MS
    config = json.loads(raw_packets(file("killed"))[-1][3])
    for n in range(KILLS):
        for survivor in "rust", "python":
            assert config[f"{survivor}{n}"] == {"0": 0}
    assert all(key == str(value) for key, value in config["victim"].items())
    print(f"  {KILLS} killed, at least {died_holding} of them while they held the lock")


def run():
    same_bytes()
    at_once()
    killed()


scenario(run)
