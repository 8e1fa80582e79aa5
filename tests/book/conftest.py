"""The built book, for the tests that look at it."""

import subprocess
import sys
from pathlib import Path

import pytest
from prose import ROOT

SITE = ROOT / "_build" / "site"


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder with both editions; built from the stored outputs when it is not there."""
    if not (SITE / "index.html").exists():
        subprocess.run([sys.executable, "book/build.py", "--stored"], cwd=ROOT, check=True)
    return SITE
