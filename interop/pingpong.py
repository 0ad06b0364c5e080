"""A blocked reader is woken by every single message: one goes there, one comes back, and so on."""

from harness import STALL_MS, Peer, scenario

COUNT = 1000


def run():
    for one, other in ("rust", "python"), ("python", "rust"), ("rust", "rust"):
        # At once, and after pauses in which the other side certainly falls asleep.
        for pause in 0, 2:
            there, back = f"{one}-{other}-{pause}-there", f"{one}-{other}-{pause}-back"
            with (
                Peer(other, "echo", there, back) as echo,
                Peer(one, "ping", there, back, "--count", COUNT, "--pause", pause) as ping,
            ):
                micros = sorted(ping.go().report()["micros"])
                echo.report()
            p50, p99, longest = micros[COUNT // 2], micros[COUNT * 99 // 100], micros[-1]
            slow = sum(time > 15_000 for time in micros)
            times = f"p50 {p50} µs, p99 {p99} µs, longest {longest} µs, {slow} above 15 ms"
            print(f"  {one} and {other}, {pause} ms between: {times}")
            assert longest < 1000 * STALL_MS, "a wake-up was lost"
            # Rust readers look again after 20 ms at the latest, which would hide lost wake-ups.
            assert slow < COUNT // 50, "wake-ups are lost, and found again by chance"


scenario(run)
