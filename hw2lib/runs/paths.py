"""Where the recorded runs are."""

import os
from pathlib import Path


def paper_root() -> Path:
    """``results/paper`` of this checkout, or the folder that HW2_RESULTS names."""
    named = os.environ.get("HW2_RESULTS")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "results" / "paper"
