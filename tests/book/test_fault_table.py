"""The page of what can go wrong is made from the tests' marks, and from nothing else."""

import subprocess
import sys

import pytest
import yaml
from prose import ROOT

FAULTS, KINDS = ROOT / "book" / "faults.yml", ROOT / "book" / "fault_kinds.yml"


def test_the_table_is_large_and_whole():
    rows = yaml.safe_load(FAULTS.read_text("utf-8"))
    assert len(rows) >= 80
    assert all(row[name] for row in rows for name in ("kind", "fault", "injected", "outcome", "tried"))
    assert all(max(map(len, map(str, row.values()))) < 300 for row in rows)


def test_every_kind_has_its_words():
    kinds = [entry["kind"] for entry in yaml.safe_load(KINDS.read_text("utf-8"))]
    assert len(set(kinds)) == len(kinds)
    assert {row["kind"] for row in yaml.safe_load(FAULTS.read_text("utf-8"))} == set(kinds)


@pytest.mark.slow
def test_the_table_is_that_of_the_marks(tmp_path):
    """Made anew by: pytest tests --collect-only --write-faults book/faults.yml"""
    fresh = tmp_path / "faults.yml"
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "--write-faults", str(fresh)]
    done = subprocess.run([sys.executable, "-m", "pytest", "tests", *options], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert fresh.read_text("utf-8") == FAULTS.read_text("utf-8")
