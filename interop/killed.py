"""Writers are killed at any instant, beside a blocked Rust reader and a Rust publisher: nobody hangs or is misled."""

import random
import time

from harness import Peer, check_tally, end, owner_died, path, scenario, state

KILLS = 50


def run():
    for killed in "rust", "python":
        rng = random.Random(1)
        with (
            Peer("rust", "subscribe", killed) as blocked,
            Peer("rust", "subscribe", killed, "--kind", "threaded") as threaded,
            Peer("rust", "publish", killed, "--writer", "steady", "--count", 0, "--rate", 100) as steady,
        ):
            steady.go()
            died_holding = 0
            for n in range(KILLS):
                with Peer(killed, "publish", killed, "--writer", f"killed {n}", "--count", 0, "--size", 50_000) as victim:
                    victim.go()
                    time.sleep(0.002 + rng.random() * 0.02)
                    victim.kill()
                died_holding += owner_died(path(killed))
                # The steady publisher gets on, whatever the victim left behind.
                deadline = time.monotonic() + 20
                before = state(path(killed))["seq_high"]
                while state(path(killed))["seq_high"] == before:
                    assert time.monotonic() < deadline, f"the publisher hangs after kill {n}"
                    time.sleep(0.001)
            steady.kill()
            published = end(killed)
            print(f"  {KILLS} {killed} writers killed, at least {died_holding} of them while they held the lock")
            for reader in blocked, threaded:
                tally = reader.report()
                check_tally(reader.name, tally, published, damage=killed == "python")


scenario(run)
