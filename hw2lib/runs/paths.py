"""Where the recorded runs are, and the commits that they were made from; without loading any library."""

import json
import os
from pathlib import Path

from hw2lib.errors import UserError

# The folder of results/paper with runs from uncommitted code, which are shown and decide nothing
# (book/protocol.yml: uncommitted-code-decides-nothing).
MARKED = "marked"


def paper_root() -> Path:
    """``results/paper`` of this checkout, or the folder that HW2_RESULTS names."""
    named = os.environ.get("HW2_RESULTS")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "results" / "paper"


def run_commits(run: Path) -> tuple[str | None, ...]:
    """The commit that a run was begun from, then those that it was resumed from, by environment.json.

    One that ends in ``-dirty`` had changes; None was made outside of a checkout.

    Raises:
        UserError: the run has no environment.json.
    """
    try:
        environment = json.loads((run / "environment.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{run}: the run has no environment.json; has it finished?") from error
    return tuple(made["commit"] for made in (environment, *environment.get("resumed", ())))


def is_from_uncommitted_code(run: Path) -> bool:
    """Whether a run was begun or resumed from a checkout with changes, or outside of any."""
    return any(commit is None or commit.endswith("-dirty") for commit in run_commits(run))
