#!/usr/bin/env python3
"""Prints who wrote what is linked into the a0 command, and under which licences: most of them want to be shipped along."""

import json
import pathlib
import subprocess

LICENCES = ("licen", "copying", "notice", "copyright")


def linked(metadata):
    """The packages of others that are linked into a0-cli: neither those that build it nor those that test it."""
    nodes = {node["id"]: node["deps"] for node in metadata["resolve"]["nodes"]}
    found, open_ids = set(), [package["id"] for package in metadata["packages"] if package["name"] == "a0-cli"]
    while open_ids:
        package = open_ids.pop()
        if package not in found:
            found.add(package)
            open_ids += [dep["pkg"] for dep in nodes[package] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    packages = [package for package in metadata["packages"] if package["id"] in found and package["source"]]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def main():
    host = next(line.split()[1] for line in run("rustc", "-vV").splitlines() if line.startswith("host:"))
    metadata = json.loads(run("cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host))
    # The same text, such as that of Apache-2.0, once.
    texts = {}
    print("The a0 command contains these Rust packages of others, in their unchanged form from https://crates.io:\n")
    print("  the standard library of Rust, by The Rust Project Developers: MIT OR Apache-2.0")
    for package in linked(metadata):
        name = f"{package['name']} {package['version']}"
        authors = ", ".join(package["authors"]) or package["repository"] or "its contributors"
        print(f"  {name}, by {authors}: {package['license'] or 'licence below'}")
        for path in sorted(pathlib.Path(package["manifest_path"]).parent.rglob("*")):
            if path.name.lower().startswith(LICENCES) and path.is_file() and path.suffix not in (".rs", ".py"):
                texts.setdefault(path.read_text(errors="replace").strip(), []).append(name)
    for text, names in texts.items():
        print(f"\n{'=' * 100}\n{', '.join(dict.fromkeys(names))}:\n\n{text}")


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
