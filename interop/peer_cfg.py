"""The Python side of the interoperability tests of configurations; see a0-testkit/src/bin/interop/cfg.rs."""

import json
import sys
import threading
import time

import a0


def cfg_patch(args):
    cfg = a0.Cfg(a0.CfgTopic(args.topic))
    args.ready()
    args.wait_for_line()
    longest, n = 0.0, 0
    while args.count == 0 or n < args.count:
        before = time.monotonic()
        cfg.mergepatch({args.name: {str(n): n}})
        longest = max(longest, time.monotonic() - before)
        n += 1
    return {"patched": n, "longest_ms": int(longest * 1000)}


def cfg_apply(args):
    cfg = a0.Cfg(a0.CfgTopic(args.topic))
    args.ready()
    results = []
    for line in sys.stdin:
        config, patch = json.loads(line)
        cfg.write(a0.Packet(config))
        cfg.mergepatch(patch)
        results.append(cfg.read().payload.decode())
    return results


def cfg_watch(args):
    ended, seen = threading.Event(), []

    def on_config(packet):
        seen.append(packet.payload.decode())
        if '"end"' in seen[-1]:
            ended.set()

    topic = a0.CfgTopic(args.topic)
    watcher = a0.CfgWatcher(topic, on_config)
    variable = a0.cfg(topic, "/end/0", int)
    args.ready()
    ended.wait()
    return {"seen": len(seen), "config": json.loads(seen[-1]), "end": int(variable)}


def add(command):
    sub = command(cfg_patch, "topic")
    sub.add_argument("--name", required=True)
    sub.add_argument("--count", type=int, required=True)
    command(cfg_apply, "topic")
    command(cfg_watch, "topic")
