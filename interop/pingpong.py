"""A blocked reader is woken by every single message: one goes there, one comes back, and so on."""

from harness import STALL_MS, Peer, scenario

COUNT = 1000

# On a busy machine every pause of it is slow, too; but not each time.
ATTEMPTS = 3


def wakes(one, other, pause, attempt):
    """Whether nearly all round trips are quick."""
    there, back = (f"{one}-{other}-{pause}-{attempt}-{way}" for way in ("there", "back"))
    with (
        Peer(other, "echo", there, back) as echo,
        Peer(one, "ping", there, back, "--count", COUNT, "--pause", pause) as ping,
    ):
        micros = sorted(ping.go().report()["micros"])
        echo.report()
    p50, p99, longest = micros[COUNT // 2], micros[COUNT * 99 // 100], micros[-1]
    # Rust readers look again after 20 ms at the latest, which would hide lost wake-ups.
    slow = sum(time > 15_000 for time in micros)
    times = f"p50 {p50} µs, p99 {p99} µs, longest {longest} µs, {slow} above 15 ms"
    print(f"  {one} and {other}, {pause} ms between: {times}")
    assert longest < 1000 * STALL_MS, "a wake-up was lost"
    return slow < COUNT // 50


def run():
    for one, other in ("rust", "python"), ("python", "rust"), ("rust", "rust"):
        # At once, and after pauses in which the other side certainly falls asleep.
        for pause in 0, 2:
            quick = any(wakes(one, other, pause, attempt) for attempt in range(ATTEMPTS))
            assert quick, "wake-ups are lost, and found again by chance"


scenario(run)
