"""Where readers start and how they go on (Init and Iter): the same for both sides, whoever writes."""

import mmap
import struct

import a0

from harness import Peer, path, scenario
from peer import topic as pubsub

PAIRS = [(init, iter_) for init in ("OLDEST", "MOST_RECENT", "AWAIT_NEW") for iter_ in ("NEXT", "NEWEST")]

# For each pair above, what is read of messages 0, 1, 2 …
EMPTY_SYNC = ["012", "2", "012", "2", "012", "2"]
EMPTY_THREADED = ["012", "02", "012", "02", "012", "02"]
TWO_THERE = ["012", "02", "12", "12", "2", "2"]
LAPPED_SYNC = ["678", "8", "678", "8", "678", "8"]

BIG = 40_000
ARENA = 3 * BIG + 10_000


def write(topic, texts):
    """Writes messages with the Python package, all in one commit, so that threaded readers find them at once."""
    file = a0.File(str(path(topic)))
    locked = a0.Transport(a0.Arena(file)).lock()
    # The package shows frames read-only, so their bytes are filled in through the file.
    with open(path(topic), "r+b") as raw, mmap.mmap(raw.fileno(), 0) as memory:
        for text in texts:
            packet = b"00000000-0000-4000-8000-000000000000\0" + struct.pack("<QQ", 0, 53) + text.encode()
            at = locked.alloc(len(packet)).off + 40
            memory[at : at + len(packet)] = packet
        locked.commit()


def check(row, reader, kind, before, after, expected, arena=1 << 20):
    for (init, iter_), want in zip(PAIRS, expected):
        topic = f"{row}-{reader}-{kind}-{init}-{iter_}"
        # Creates the topic, and nothing else.
        a0.Publisher(pubsub(topic, arena))
        if before:
            write(topic, before)
        with Peer(reader, "show", topic, "--kind", kind, "--init", init, "--iter", iter_) as peer:
            for text in after:
                write(topic, text)
            got = "".join(message["payload"][0] for message in peer.go(str(len(want))).report())
            assert got == want, f"{row}, {reader}, {kind}, {init}, {iter_}: {got} instead of {want}"


def run():
    for reader in "rust", "python":
        check("empty", reader, "sync", [], ["012"], EMPTY_SYNC)
        check("empty", reader, "threaded", [], ["012"], EMPTY_THREADED)
        check("two", reader, "sync", "01", ["2"], TWO_THERE)
        check("two", reader, "threaded", "01", ["2"], TWO_THERE)
        big = [[str(n) + "x" * BIG] for n in range(9)]
        check("lapped", reader, "sync", [text[0] for text in big[:2]], big[2:], LAPPED_SYNC, ARENA)
    print(f"  {2 * 5 * len(PAIRS)} combinations as in the table")


scenario(run)
