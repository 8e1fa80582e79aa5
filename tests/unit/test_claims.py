"""The ledger of claims: how a verdict comes about, travels with a notebook, and stands in the file."""

import json
import re

import numpy as np
import pytest
import yaml

from hw2lib.claims import (
    MIME,
    RESULT_KEYS,
    Settled,
    Verdict,
    dump_ledger,
    harvest,
    ledger_path,
    load_ledger,
    settle,
    with_results,
)
from hw2lib.errors import UserError

NOTEBOOKS = ledger_path().parents[1] / "notebooks"
ISSUE_2 = (
    "T1.1a T1.1b P1.1 P1.2 P1.3 P1.4 P1.5 Tab1.1 F1.1 F1.2 F1.3 F1.4 F1.5 "
    "C1.1 C1.2 C1.3 C1.5 C1.6 C1.7 A1.1 A1.2"
).split()


def write_notebook(path, *claims):
    """A notebook whose cells have settled the given claims, among other outputs."""
    outputs = [{"output_type": "execute_result", "data": c._repr_mimebundle_()} for c in claims]
    cells = [
        {"cell_type": "markdown", "source": "text"},
        {"cell_type": "code", "outputs": [{"output_type": "stream", "text": "1"}]},
        *({"cell_type": "code", "outputs": [output]} for output in outputs),
    ]
    path.write_text(json.dumps({"cells": cells}), "utf-8")
    return path


# Settling


@pytest.mark.parametrize(
    "conditions, verdict",
    [
        ({"holds": True}, Verdict.HOLDS),
        ({"holds": True, "corrected": True, "depends": True}, Verdict.HOLDS),
        ({"corrected": True, "depends": True}, Verdict.CORRECTED),
        ({"depends": True}, Verdict.DEPENDS),
        ({}, Verdict.FAILS),
        ({"holds": np.bool_(False), "depends": np.bool_(True)}, Verdict.DEPENDS),
        ({"holds": False, "corrected": False, "depends": False}, Verdict.FAILS),
    ],
)
def test_the_first_true_condition_is_the_verdict(conditions, verdict):
    claim = settle("C1.2", measured=0.05, unit="s", **conditions)
    assert claim == Settled("C1.2", verdict, "0.05", "s")


def test_unknown_claims_are_named():
    with pytest.raises(UserError, match="claim C9.9: not in"):
        settle("C9.9", measured=1, holds=True)


def test_a_settled_claim_shows_as_a_line_and_travels_as_data():
    bundle = settle("C1.2", measured=0.05, unit="s", corrected=True)._repr_mimebundle_()
    assert bundle["text/plain"] == "C1.2: holds with a correction (0.05 s)"
    assert bundle[MIME] == {
        "id": "C1.2",
        "verdict": "holds with a correction",
        "measured": "0.05",
        "unit": "s",
    }
    assert json.loads(json.dumps(bundle)) == bundle
    assert settle("P1.1", measured=0)._repr_mimebundle_()["text/plain"] == "P1.1: does not hold (0)"


# From notebooks to the file


def test_a_notebook_gives_back_what_it_settled(tmp_path):
    one, two = settle("P1.1", measured=0, holds=True), settle("C1.2", measured=0.05, unit="s", depends=True)
    found = harvest(write_notebook(tmp_path / "n.ipynb", one, two))
    assert found == {"P1.1": one, "C1.2": two} and list(found) == ["P1.1", "C1.2"]
    assert harvest(write_notebook(tmp_path / "empty.ipynb")) == {}


def test_settling_twice_is_refused(tmp_path):
    one, other = settle("P1.1", measured=0, holds=True), settle("P1.1", measured=1)
    with pytest.raises(UserError, match="n.ipynb: claim P1.1 is settled twice"):
        harvest(write_notebook(tmp_path / "n.ipynb", one, other))


def test_results_enter_the_ledger_and_old_ones_leave():
    entries = [
        {"id": "A", "place": "1", "verdict": "holds", "measured": "old", "unit": "m"},
        {"id": "B", "place": "2", "verdict": "holds", "measured": "old", "unit": ""},
        {"id": "C", "place": "3"},
    ]
    before = json.dumps(entries)
    merged = with_results(entries, {"A": Settled("A", Verdict.FAILS, "new", "s")})
    assert merged == [
        {"id": "A", "place": "1", "verdict": "does not hold", "measured": "new", "unit": "s"},
        {"id": "B", "place": "2"},
        {"id": "C", "place": "3"},
    ]
    assert json.dumps(entries) == before


def test_the_file_reads_back_and_stays_readable(tmp_path):
    entries = [{"id": "A", "statement": {"fa": "ژاکوبی پایین‌مثلثی است", "en": "The Jacobian: $J$"}}]
    text = dump_ledger(entries)
    assert "ژاکوبی" in text and text.index("id:") < text.index("statement:")
    (tmp_path / "claims.yml").write_text(text, "utf-8")
    assert load_ledger(tmp_path / "claims.yml") == entries


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "cannot be read"),
        ("- id: [", "cannot be read"),
        ("id: A", "expected a list of claims"),
        ("- A", "expected a list of claims"),
        ("- place: 1", "expected a list of claims"),
        ("", "expected a list of claims"),
    ],
)
def test_damaged_ledgers_are_named(tmp_path, text, message):
    path = tmp_path / "claims.yml"
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=message) as caught:
        load_ledger(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


# The ledger of this checkout


def test_the_ledger_holds_every_claim_once():
    ids = [entry["id"] for entry in load_ledger()]
    assert len(ids) == len(set(ids))
    assert set(ISSUE_2) <= set(ids)


@pytest.mark.parametrize("entry", load_ledger(), ids=lambda entry: entry["id"])
def test_an_entry_is_complete_in_both_languages(entry):
    assert entry["place"] and entry["notebook"]
    for part in ("statement", "check"):
        assert set(entry[part]) == {"fa", "en"}
        assert re.search("[\u0600-\u06ff]{3}", entry[part]["fa"])
        english = re.sub(r"\$[^$]*\$", "", entry[part]["en"])
        assert re.search("[a-z]{3}", english) and not re.search("[\u0600-\u06ff]", english)
    given = [key for key in RESULT_KEYS if key in entry]
    assert given in ([], list(RESULT_KEYS))
    if given:
        assert entry["verdict"] in set(Verdict) and entry["measured"]


def test_the_file_is_as_the_program_writes_it():
    """``make rerun`` rewrites the file; nothing but verdicts may change then."""
    assert yaml.safe_load(dump_ledger(load_ledger())) == load_ledger()
    assert ledger_path().read_text("utf-8") == dump_ledger(load_ledger())


def test_recorded_and_stored_verdicts_agree():
    """What stands in the ledger is what the stored notebooks have settled, in the notebook it names."""
    entries = load_ledger()
    stored = {path.stem: harvest(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    settled = {}
    for name, claims in stored.items():
        assert not settled.keys() & claims.keys(), f"{name} settles a claim that another notebook has settled"
        settled |= claims
    assert with_results(entries, settled) == entries
    for entry in entries:
        if entry["notebook"] in stored:
            assert entry["id"] in stored[entry["notebook"]]
        else:
            assert "verdict" not in entry


@pytest.mark.parametrize("entry", load_ledger(), ids=lambda entry: entry["id"])
def test_the_named_notebook_settles_the_claim(entry):
    source = NOTEBOOKS / f"{entry['notebook']}.md"
    if not source.exists():
        pytest.skip(f"{source.name} is not written yet")
    assert len(re.findall(rf'settle\(\s*"{re.escape(entry["id"])}"', source.read_text("utf-8"))) == 1
