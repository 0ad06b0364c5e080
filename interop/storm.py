"""The kill storm, with Python programs among the killed and those that go on."""

import os
import subprocess
import sys
from pathlib import Path

from harness import scenario


def run():
    storm = Path(os.environ["INTEROP_RUST"]).with_name("storm")
    subprocess.run([storm, "--seconds", "15", "--python", sys.executable], check=True)


scenario(run)
