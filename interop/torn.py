"""Publishers of the Python package, killed now and then, overwrite what they have not evicted: nothing torn is delivered.

    torn.py [SECONDS [ARENA MOST_BYTES]...]
"""

import random
import sys
import time

from harness import Peer, check_tally, end, scenario

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
SIZES = [int(word) for word in sys.argv[2:]] or [64 << 10, 20_000, 1 << 20, 100_000]

# One that keeps up, some that stay among the oldest messages, where those are that get overwritten.
READERS = (
    ("--kind", "sync"),
    ("--kind", "sync", "--delay", 8),
    ("--kind", "sync", "--delay", 50, "--read-only"),
    ("--kind", "threaded", "--delay", 8),
    ("--kind", "in-place", "--delay", 8),
)


def publish(topic, arena, most, rng):
    """One publisher after the other, for all the time there is; how many."""
    until, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        name = f"{topic} {count}"
        with Peer("python", "publish", topic, "--writer", name, "--count", 0, "--most", most, "--arena", arena) as victim:
            victim.go()
            time.sleep(0.1 + rng.random())
        count += 1
    return count


def run():
    rng = random.Random(1)
    for arena, most in zip(SIZES[::2], SIZES[1::2]):
        topic = f"torn{arena}"
        with Peer("rust", "publish", topic, "--writer", "first", "--count", 1, "--arena", arena, "--size", 0) as first:
            first.go().report()
        readers = [Peer("rust", "subscribe", topic, *options) for options in READERS]
        try:
            killed = publish(topic, arena, most, rng)
            published = end(topic)
            print(f"  arena {arena}, up to {most} bytes: {killed} killed")
            received = 0
            for reader in readers:
                tally = reader.report()
                check_tally(reader.name, tally, published, damage=True)
                received += tally["received"]
            print(f"  {received} messages, none torn")
        finally:
            for reader in readers:
                reader.kill()


scenario(run)
