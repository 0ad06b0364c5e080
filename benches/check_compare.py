"""Checks that a file written by `a0-benches compare --json` has every field, whatever the figures are."""

import json
import sys

ALWAYS = (
    "row title size unit better best_peer ratio limit ratio_to_limit p50 p99 p999 lost_percent "
    "line_rtt_ns line_rtt_before_ns line_rtt_after_ns doubtful oversubscribed all"
).split()

file, *rows = sys.argv[1:]
with open(file) as text:
    header, *entries = json.load(text)
for key in ("cpu", "cores", "kernel", "date", "revision"):
    assert header["header"][key], f"the header does not say the {key}"
for entry in entries:
    name, unit = entry["row"], entry["unit"]
    missing = {*ALWAYS, f"ours_{unit}", f"best_peer_{unit}", f"limit_{unit}"} - entry.keys()
    assert not missing, f"{name} lacks {missing}"
    assert entry[f"ours_{unit}"] > 0, f"{name}: nothing was measured"
    for who, found in entry["all"].items():
        failed = found.get("failed", "")
        assert not failed or "absent:" in failed, f"{name}: {who}: {failed}"
    assert entry["best_peer"] and len(entry["all"]) > 2, f"{name}: nobody to compare with"
for row in rows:
    assert any(entry["row"].startswith(row + "/") for entry in entries), f"there is no {row}"
print(f"{len(entries)} entries, each with all fields")
