"""Checks the built book: every link and anchor inside it leads somewhere, every console example prints what the page says,
and the page of errors quotes exactly the messages that the sources have. Needs nothing but Python, and no network.

check.py BOOK A0    BOOK: directory of the HTML; A0: the command to run in console examples
"""

import html.parser
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CRATES = ["a0-core", "a0-linux", "a0-std", "a0-cli"]


class Page(html.parser.HTMLParser):
    """What a page can be linked by, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def links(book):
    pages = {path: Page(path) for path in sorted(book.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = pathlib.Path(os.path.normpath(path.parent / urllib.parse.unquote(url.path))) if url.path else path
            if not target.is_file():
                yield f"{path.name}: no file for the link {link}"
            elif url.fragment and target in pages and urllib.parse.unquote(url.fragment) not in pages[target].anchors:
                yield f"{path.name}: no anchor for the link {link}"


def console():
    """Blocks of a page run one after the other in one directory of topics; … stands for anything."""
    for path in sorted(DOCS.glob("*.md")):
        blocks = re.findall(r"^```console\n(.*?)^```", path.read_text(), re.M | re.S)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as root:
            for block in blocks:
                yield from differences(path.name, block, root)


def differences(page, block, root):
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)
    script = "trap 'kill $(jobs -p) 2>/dev/null' EXIT\n"
    script += "".join(f"{command}\nprintf '\\0'\n" for command, _ in steps)
    environment = {**os.environ, "A0_ROOT": root, "PATH": f"{pathlib.Path(sys.argv[2]).resolve().parent}:{os.environ['PATH']}"}
    try:
        ran = subprocess.run(["bash", "-c", script], cwd=root, env=environment, timeout=60, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        yield f"{page}: this does not end:\n{block}"
        return
    # A shell says that it has seen one of its jobs killed, sooner or later.
    output = re.sub(r"bash:.* Killed .*\n", "", ran.stdout)
    for (command, expected), actual in zip(steps, output.split("\0")):
        pattern = ".*".join(map(re.escape, expected.split("…")))
        if not re.fullmatch(pattern, actual, re.S):
            yield f"{page}: '{command}' prints\n{actual}where the page says\n{expected}"


def untested():
    tests = (ROOT / "a0-std/src/book.rs").read_text() + (ROOT / "a0-core/src/lib.rs").read_text()
    for path in sorted(DOCS.glob("*.md")):
        if "```rust\n" in path.read_text() and f"docs/{path.name}" not in tests:
            yield f"{path.name}: its examples are not among the doctests"


def errors():
    text = "".join(path.read_text() for crate in CRATES for path in sorted((ROOT / crate / "src").rglob("*.rs")))
    text = re.sub(r"\\\n\s*", "", text)
    page = (DOCS / "errors.md").read_text()
    for quote in re.findall(r"^#+ `(.*)`$", page, re.M) + re.findall(r"^\| `(.*?)` \|", page, re.M):
        for part in quote.split("…"):
            if part.strip() not in text:
                yield f"errors.md: no source says '{part.strip()}'"
    for message in re.findall(r'#\[error\(\s*"((?:[^"\\]|\\.)*)"', text):
        stable = max(re.split(r"\{[^}]*\}", message), key=len).strip(" :;,()")
        if stable and stable not in page:
            yield f"errors.md: says nothing of '{message}'"


def main():
    problems = [*links(pathlib.Path(sys.argv[1])), *console(), *untested(), *errors()]
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
