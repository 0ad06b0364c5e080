"""What the scenarios share: peers in processes of their own, a root of their own, and a parser of raw topic files."""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LANGUAGES = {
    "rust": [os.environ["INTEROP_RUST"]],
    "python": [sys.executable, str(HERE / "peer.py")],
}

# Nothing in here takes as long as that, unless somebody hangs.
PATIENCE = 300.0

# Far more than a machine that is busy stands still for; a wait that nothing ends takes twice as long.
STALL_MS = 10_000


class Peer:
    """A process that carries out one command of `peer.py` or `interop`. Leaving the `with` block kills it."""

    def __init__(self, language, *command):
        self.name = " ".join((language, *map(str, command)))
        self.process = subprocess.Popen(
            LANGUAGES[language] + [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(PATIENCE, self._expire)
        self._watchdog.start()
        self.expired = False
        self._expect_ready()

    def _expire(self):
        self.expired = True
        self.process.kill()

    def _expect_ready(self):
        line = self.process.stdout.readline()
        assert line == "ready\n", f"{self.name}: {line!r} instead of ready"

    def go(self, text=""):
        """Gives it the line it waits for."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self

    def report(self):
        """Waits for its end; its report."""
        out, _ = self.process.communicate()
        self._watchdog.cancel()
        assert not self.expired, f"{self.name}: hangs"
        assert self.process.returncode == 0, f"{self.name}: exit status {self.process.returncode}"
        return json.loads(out.splitlines()[-1])

    def kill(self):
        """SIGKILL, at whatever it is doing."""
        self._watchdog.cancel()
        self.process.kill()
        self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def end(topic, language="rust"):
    """Publishes the message that ends all subscribers; how many messages the topic has had, with this one."""
    with Peer(language, "end", topic) as peer:
        peer.go().report()
    return state(path(topic))["seq_high"]


def check_tally(who, tally, published, stalls=True, damage=False):
    """Everything is received or known to be missed, and nothing is wrong with it."""
    print(f"  {who}: {tally}")
    assert tally["corrupt"] == 0, f"{who}: corrupt messages accepted"
    assert tally["disorder"] == 0, f"{who}: out of order"
    assert damage or tally.get("damaged", 0) == 0, f"{who}: damage found"
    assert tally["received"] + tally["missed"] == published, f"{who}: not all of {published} messages accounted for"
    assert not stalls or tally["stall_ms"] < STALL_MS, f"{who}: stood still"


def path(topic):
    return Path(os.environ["A0_ROOT"]) / (topic + ".pubsub.a0")


def state(file):
    """The committed state of a topic, from its raw bytes."""
    header = Path(file).open("rb").read(144)
    start = 88 if header[128] else 48
    names = ("seq_low", "seq_high", "off_head", "off_tail", "high_water_mark")
    return dict(zip(names, struct.unpack_from("<5Q", header, start)))


def owner_died(file):
    """Whether the lock is in the state in which the death of its owner has left it."""
    return bool(struct.unpack_from("<I", Path(file).open("rb").read(144), 32)[0] & 0x40000000)


def raw_packets(file):
    """All packets of a topic, from its raw bytes: frame sequence number, id, header list, payload."""
    data = Path(file).read_bytes()
    now = state(file)
    offset, packets = now["off_head"], []
    for want in range(now["seq_low"], now["seq_high"] + 1):
        seq, off, next_off, _, size = struct.unpack_from("<5Q", data, offset)
        assert (seq, off) == (want, offset), "the list of frames is broken"
        packet = data[offset + 40 : offset + 40 + size]
        count = struct.unpack_from("<Q", packet, 37)[0]
        table = struct.unpack_from(f"<{2 * count + 1}Q", packet, 45)
        words = [packet[at : packet.index(b"\0", at)].decode() for at in table[:-1]]
        # Keys and values lie one behind the other, in the order of the table, and the payload behind them.
        place = 53 + 16 * count
        for at, word in zip(table, words):
            assert at == place, "a gap or another order among the headers"
            place += len(word.encode()) + 1
        assert table[-1] == place, "a gap before the payload"
        assert packet[36] == 0, "the id is not terminated"
        packets.append((seq, packet[:36].decode(), list(zip(words[::2], words[1::2])), packet[place:]))
        offset = next_off
    return packets


def scenario(run):
    """Runs a scenario in a root of its own and says how long it took."""
    root = tempfile.mkdtemp(prefix="a0-interop.", dir="/dev/shm")
    os.environ["A0_ROOT"] = root
    started = time.monotonic()
    try:
        run()
        print(f"{run.__module__ and Path(sys.argv[0]).stem}: ok, {time.monotonic() - started:.1f} s", flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
