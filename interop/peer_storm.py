"""The part of programs built on 0.3 in the kill storm (a0-testkit/src/bin/storm), on the unmodified alephzero package.

Takes the same orders and makes, checks and counts the same messages as the Rust programs there.
"""

import argparse
import mmap
import queue
import random
import struct
import sys
import time

import a0

# As in a0-testkit/src/bin/storm/stats.rs.
FIRST_SLOT, SLOT = 256, 256
COUNTERS = (
    "messages missed corrupt uncommitted contradicted disorder damaged contended recovered lock_errors longest_publish "
    "slow_publishes longest_wake slow_wakes last_seq busy_since answered server_gone request_lost reply_lost timed_out "
    "wrong_replies wrong_errors patches lost_patches"
).split()
WRITERS_STOP, READERS_STOP = 1, 2

# As in payload.rs.
PERIOD = 65_521
STEPS = 5
# What nobody else notices: the death of a server.
PATIENCE = 1.0


def noise():
    state, period = 1, bytearray()
    for _ in range(PERIOD):
        state = (state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        period.append(state >> 24)
    return bytes(period)


NOISE = noise()


def content(writer, count, length):
    start = (writer * 31 + count * 40_503 + length * 10_007) % PERIOD
    return (NOISE * (length // PERIOD + 2))[start : start + length]


class Stage:
    """Counters in shared memory, and when to leave."""

    def __init__(self, orders):
        self.orders = orders
        with open(f"{orders.dir}/stats", "r+b") as stats:
            self.memory = mmap.mmap(stats.fileno(), 0)
        self.start = FIRST_SLOT + SLOT * orders.role
        self.ends = time.monotonic() + orders.life

    def is_over(self, phase):
        return struct.unpack_from("<I", self.memory, 0)[0] >= phase or time.monotonic() > self.ends

    def add(self, counter, count=1):
        at = self.start + 8 * COUNTERS.index(counter)
        struct.pack_into("<Q", self.memory, at, struct.unpack_from("<Q", self.memory, at)[0] + count)

    def ready(self):
        sys.stdout.write("!")
        sys.stdout.flush()


class Author:
    """Makes messages."""

    def __init__(self, orders):
        self.random = random.Random(orders.seed)
        self.largest = orders.largest
        self.writer = self.random.getrandbits(32)
        self.count = 0

    def next(self):
        step = self.random.randrange(64)
        limit = 1 if step == 0 else self.largest + 1 if step < 3 else 4096 if step < 11 else 300
        length = self.random.randrange(min(limit, self.largest + 1))
        payload = content(self.writer, self.count, length)
        headers = [("w", str(self.writer)), ("n", str(self.count))]
        self.count += 1
        return headers, payload


def publish(stage):
    publisher = a0.Publisher(a0.PubSubTopic(stage.orders.topic))
    author = Author(stage.orders)
    stage.ready()
    while not stage.is_over(WRITERS_STOP):
        publisher.pub(a0.Packet(*author.next()))
        stage.add("messages")
        time.sleep(author.random.random() * stage.orders.pause / 4e6)


def sync(stage):
    reader = a0.SubscriberSync(a0.PubSubTopic(stage.orders.topic), a0.INIT_OLDEST, a0.ITER_NEXT)
    stage.ready()
    while True:
        is_over = stage.is_over(READERS_STOP)
        try:
            packet = reader.read_blocking(timeout=0.2)
        except RuntimeError:  # Nothing came in time.
            if is_over:
                return
            continue
        try:
            headers = dict(packet.headers)
            payload = packet.payload
            whole = payload == content(int(headers["w"]), int(headers["n"]), len(payload))
        except Exception:  # Whatever a torn packet leads to.
            headers, whole = {}, False
        stage.add("messages")
        stage.add("corrupt", not whole)
        stage.add("uncommitted", "v" in headers)


def patch(stage):
    cfg = a0.Cfg(a0.CfgTopic(stage.orders.topic))
    stage.ready()
    while not stage.is_over(WRITERS_STOP):
        cfg.mergepatch({f"role{stage.orders.role}": time.monotonic_ns()})
        stage.add("patches")


def serve(stage):
    def on_request(request):
        request.reply(a0.Packet(request.pkt.payload[::-1]))

    def on_connect(connection):
        payload = connection.pkt.payload
        for n in range(1, STEPS + 1):
            connection.send(a0.Packet(str(n).encode() + b" " + payload), n == STEPS)

    servers = (
        a0.RpcServer(a0.RpcTopic(stage.orders.topic), on_request, lambda _: None),
        a0.PrpcServer(a0.PrpcTopic(stage.orders.topic), on_connect, lambda _: None),
    )
    stage.ready()
    while not stage.is_over(READERS_STOP):
        time.sleep(0.005)
    del servers


def call(stage):
    rpc = a0.RpcClient(a0.RpcTopic(stage.orders.topic))
    prpc = a0.PrpcClient(a0.PrpcTopic(stage.orders.topic))
    author = Author(stage.orders)
    stage.ready()
    while not stage.is_over(WRITERS_STOP):
        _, payload = author.next()
        try:
            if author.random.randrange(2):
                right = rpc.send_blocking(a0.Packet(payload), PATIENCE).payload == payload[::-1]
            else:
                steps = queue.SimpleQueue()
                prpc.connect(a0.Packet(payload), lambda packet, done: steps.put(packet.payload))
                expected = (str(n).encode() + b" " + payload for n in range(1, STEPS + 1))
                right = all(steps.get(timeout=PATIENCE) == step for step in expected)
            stage.add("answered" if right else "wrong_replies")
        except (RuntimeError, queue.Empty):
            stage.add("timed_out")


def main():
    parser = argparse.ArgumentParser()
    for name in "job", "topic", "dir":
        parser.add_argument(f"--{name}", required=True)
    for name in "role", "seed", "largest", "pause", "patience", "life":
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--steady", action="store_true")
    orders = parser.parse_args()
    {"publish": publish, "sync": sync, "patch": patch, "serve": serve, "call": call}[orders.job](Stage(orders))


main()
