#!/usr/bin/env python3
"""Checks which types of other crates stand in the public interface of the libraries.

A type of one of our crates must be re-exported by each library that shows it, so that nobody needs a second crate of just the
same version to name it. A type of anybody else's crate must be listed here: a new major version of that crate is one of ours.

    packaging/public_types.py a0-core a0-linux a0-std
"""
import json
import subprocess
import sys

STD = {"std", "core", "alloc"}

# Crates whose types and traits are part of the interface by decision. Behind a feature each, but for serde and serde_json.
BY_DECISION = {
    "a0_core": {"defmt", "heapless", "spin"},
    "a0_linux": set(),
    "a0_std": {
        "futures_core",
        "log",
        "serde_core",
        "serde_json",
        "tracing_core",
        "tracing_subscriber",
        "zerocopy",
    },
}


def interface(package):
    """The rustdoc description of a package's public items."""
    command = ["cargo", "+nightly", "rustdoc", "-q", "-p", package, "--all-features", "--target-dir", "target/public"]
    subprocess.run([*command, "--", "-Z", "unstable-options", "--output-format", "json"], check=True)
    with open(f"target/public/doc/{package.replace('-', '_')}.json", encoding="utf-8") as file:
        return json.load(file)


def re_exported(docs):
    """Paths of all items that are re-exported, and names of all crates that are as a whole."""
    items, crates = set(), set()
    modules = [docs["root"]]
    while modules:
        for item in docs["index"][str(modules.pop())]["inner"]["module"]["items"]:
            inner = docs["index"].get(str(item), {"inner": {}})["inner"]
            if "module" in inner:
                modules.append(item)
            if "use" in inner:
                path = docs["paths"].get(str(inner["use"]["id"]))
                items.add(tuple(path["path"]) if path else None)
                crates.add(inner["use"]["source"])
    return items, crates


def named(docs, value, owner, found):
    """Adds the paths of all types and traits that part of a description names, each with the name of who shows it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("resolved_path", "trait") and isinstance(inner, dict) and "id" in inner:
                path = docs["paths"].get(str(inner["id"]))
                if path is not None:
                    found.setdefault(tuple(path["path"]), owner)
            if key not in ("docs", "links", "attrs", "span"):
                named(docs, inner, owner, found)
    elif isinstance(value, list):
        for inner in value:
            named(docs, inner, owner, found)


def shown(docs):
    """What stands in signatures, fields and impls."""
    found = {}
    for item in docs["index"].values():
        kind, inner = next(iter(item["inner"].items()))
        derived = kind == "impl" and (inner["is_synthetic"] or inner["blanket_impl"])
        if item["crate_id"] == 0 and kind not in ("use", "module") and not derived:
            named(docs, inner, item["name"] or "an impl", found)
    return found


def parts(docs, path):
    """What stands in the public fields of a type, which whoever has one of it can reach."""
    found = {}
    ids = [id for id, item in docs["paths"].items() if tuple(item["path"]) == path]
    while ids:
        item = docs["index"].get(ids.pop())
        if item is None:
            continue
        kind, inner = next(iter(item["inner"].items()))
        if kind == "enum":
            ids += map(str, inner["variants"])
        elif kind in ("variant", "struct"):
            kind = inner["kind"]
            fields = kind if isinstance(kind, dict) else {}
            ids += [str(id) for id in fields.get("tuple", []) + fields.get("struct", fields.get("plain", {})).get("fields", [])
                    if id is not None]
        elif kind == "struct_field":
            named(docs, inner, "::".join(path), found)
    return found


def main():
    faults = 0
    known = {}
    for package in sys.argv[1:]:
        docs = interface(package)
        name = package.replace("-", "_")
        known[name] = docs
        items, crates = re_exported(docs)
        found = shown(docs)
        for path in items - {None}:
            if path[0] in known:
                found = parts(known[path[0]], path) | found
        for path, owner in sorted(found.items()):
            if path[0] == name or path[0] in STD | BY_DECISION[name] | crates or path in items:
                continue
            faults += 1
            print(f"{package}: `{owner}` shows {'::'.join(path)}: re-export it, or list its crate in {__file__}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
