"""One deadman, made by the Python package: taken, watched and waited for in both languages, released and killed."""

import os
import random
import struct
import time
from contextlib import ExitStack
from pathlib import Path

from harness import STALL_MS, Peer, scenario
from peer_deadman import now, open_deadman

LANGUAGES = ("rust", "python")
KILLS = 40

# Long enough for everybody to be asleep.
ASLEEP = 0.2


def owner_word(topic):
    return struct.unpack_from("<I", bytes_of(topic), 48)[0]


def micros(what, then, since):
    """A time that is shown, and that no lost wake-up may prolong."""
    late = (then - since) / 1000
    assert late < 1000 * STALL_MS, f"{what}: {late:.0f} µs late"
    return f"{what} after {late:.0f} µs"


def bytes_of(topic):
    return (Path(os.environ["A0_ROOT"]) / f"{topic}.deadman").read_bytes()


def one_after_the_other(owner):
    """Whoever has it is watched by both, and followed by both; first released, then killed."""
    topic = f"owner-{owner}"
    ours = open_deadman(topic)
    assert len(bytes_of(topic)) == 72
    for killed, token in (False, 1), (True, 4):
        with ExitStack() as stack:
            start = lambda *command: stack.enter_context(Peer(*command, topic))
            assert not ours.state().is_taken
            watchers = [start(language, "deadman-watch") for language in LANGUAGES]
            time.sleep(ASLEEP)
            having = start(owner, "deadman-take")
            state = ours.state()
            assert state.is_taken and state.tkn == token and not ours.try_take()
            queue = [start(language, "deadman-queue") for language in LANGUAGES]
            time.sleep(ASLEEP)
            if killed:
                end = now()
                having.kill()
            else:
                report = having.go().report()
                end = report["released"]
                assert report["token"] == token
            for watcher, language in zip(watchers, LANGUAGES):
                seen = watcher.report()
                assert seen["token"] == token, seen
                what = "killed" if killed else "released"
                print(f"  {owner} {what}:", micros(f"{language} watcher", seen["released"], end))
                if not killed:
                    print(f"  {owner} took it:", micros(f"{language} watcher", seen["taken"], report["taken"]))
            tokens = sorted(peer.report()["token"] for peer in queue)
            assert tokens == [token + 1, token + 2], tokens
        assert owner_word(topic) & 0x3FFFFFFF == 0


def killed_at_random():
    """Takers of both languages are killed, while they have it or while they take it; the next one always gets it."""
    rng, topic, died = random.Random(1), "random", 0
    ours = open_deadman(topic)
    for n in range(KILLS):
        with Peer(LANGUAGES[n % 2], rng.choice(("deadman-take", "deadman-queue")), topic) as victim:
            time.sleep(rng.random() * 0.0002)
            victim.kill()
        died += bool(owner_word(topic) & 0x40000000)
        with Peer(LANGUAGES[n // 2 % 2], "deadman-take", topic) as taker:
            assert ours.state().is_taken
            taker.go().report()
    assert not ours.state().is_taken
    print(f"  {KILLS} killed, {died} of them while they had it")
    assert died > KILLS // 4


def run():
    for owner in LANGUAGES:
        one_after_the_other(owner)
    killed_at_random()


scenario(run)
