"""The ledger of claims: how a verdict comes about, travels with a notebook, and is told in both languages."""

import ast
import json
import re

import numpy as np
import pytest
from prose import blocks

from hw2lib.bilingual import Number
from hw2lib.claims import (
    MIME,
    ClaimResult,
    Verdict,
    as_row,
    check_claim,
    checked_in,
    is_bookkeeping,
    ledger_path,
    load_ledger,
    results,
)
from hw2lib.errors import UserError

NOTEBOOKS = ledger_path().parents[1] / "notebooks"
ISSUE_2 = (
    "T1.1a T1.1b P1.1 P1.2 P1.3 P1.4 P1.5 Tab1.1 F1.1 F1.2 F1.3 F1.4 F1.5 "
    "C1.1 C1.2 C1.3 C1.5 C1.6 C1.7 A1.1 A1.2"
).split()


def write_notebook(path, *claims):
    """A notebook whose cells have checked the given claims, among other outputs."""
    outputs = [{"output_type": "execute_result", "data": c._repr_mimebundle_()} for c in claims]
    cells = [
        {"cell_type": "markdown", "source": "text"},
        {"cell_type": "code", "outputs": [{"output_type": "stream", "text": "1"}]},
        *({"cell_type": "code", "outputs": [output]} for output in outputs),
    ]
    path.write_text(json.dumps({"cells": cells}), "utf-8")
    return path


ENTRY = {
    "id": "A",
    "place": "1.1",
    "statement": {"fa": "متن ادعا.", "en": "A statement."},
    "notebook": "n",
    "evidence": {
        "fa": "{passes} گذر، {ratio} برابر، و {agree}؛ {eq}`eq-a` و $\\frac{x}{y}$.",
        "en": "{passes} passes, {ratio} times, and {agree}; {eq}`eq-a` and $\\frac{x}{y}$.",
    },
    "conditions": {
        "agree": {
            True: {"fa": "یکی‌اند", "en": "they agree"},
            False: {"fa": "یکی نیستند", "en": "they differ"},
        }
    },
}
VALUES = {"passes": 49_152, "ratio": Number(-2.345, ".1f")}


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.setattr("hw2lib.claims.load_ledger", lambda: [ENTRY])


# Checking


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
def test_the_first_true_condition_is_the_verdict(ledger, conditions, verdict):
    assert check_claim("A", values=VALUES, conditions={"agree": True}, **conditions).verdict == verdict


def test_unknown_claims_are_named():
    with pytest.raises(UserError, match="claim C9.9: not in"):
        check_claim("C9.9", values={"n": 1}, holds=True)


# With evidence in both languages


def test_evidence_is_told_in_both_languages(ledger):
    result = check_claim("A", values=VALUES, conditions={"agree": np.bool_(True)}, holds=True)
    formula = "{eq}`eq-a` and $\\frac{x}{y}$"
    assert result.evidence(ENTRY, "en") == f"49,152 passes, −2.3 times, and they agree; {formula}."
    persian = "۴۹٬۱۵۲ گذر، \u2066−۲٫۳\u2069 برابر، و یکی‌اند؛ {eq}`eq-a` و $\\frac{x}{y}$."
    assert result.evidence(ENTRY, "fa") == persian
    bundle = result._repr_mimebundle_()
    assert bundle["text/plain"] == "A: holds (passes: 49,152; ratio: −2.3; agree: yes)"
    assert ClaimResult.from_data(json.loads(json.dumps(bundle[MIME]))) == result
    row = as_row(ENTRY, result)
    assert row["values"]["ratio"] == {"fa": "\u2066−۲٫۳\u2069", "en": "−2.3", "value": -2.3}
    assert row["conditions"] == {"agree": True} and row["evidence"]["fa"] == persian
    assert as_row(ENTRY, None)["verdict"] is None


def test_a_condition_that_failed_says_so(ledger):
    result = check_claim("A", values=VALUES, conditions={"agree": False})
    assert "they differ" in result.evidence(ENTRY, "en") and "یکی نیستند" in result.evidence(ENTRY, "fa")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"values": {"passes": 1}, "conditions": {"agree": True}}, "no value for ratio"),
        ({"values": VALUES | {"more": 1}, "conditions": {"agree": True}}, "no place for more"),
        ({"values": VALUES}, "expected the conditions"),
        ({"values": VALUES | {"agree": 1}}, "expected the conditions"),
        ({"values": VALUES, "conditions": {"agree": True, "other": True}}, "expected the conditions"),
        ({"values": VALUES | {"ratio": 0.5}, "conditions": {"agree": True}}, "needs a format"),
    ],
)
def test_values_that_do_not_fit_the_evidence_are_named(ledger, arguments, message):
    with pytest.raises(UserError, match=f"claim A: .*{message}"):
        check_claim("A", **arguments)


# From notebooks to the ledger


def test_a_notebook_gives_back_what_it_checked(ledger, tmp_path):
    one = check_claim("A", values=VALUES, conditions={"agree": False}, holds=True)
    two = ClaimResult("X", Verdict.DEPENDS, {"n": {"fa": "۱", "en": "1", "value": 1}}, {"c": True})
    found = checked_in(write_notebook(tmp_path / "n.ipynb", one, two))
    assert found == {"A": one, "X": two} and list(found) == ["A", "X"]
    assert checked_in(write_notebook(tmp_path / "empty.ipynb")) == {}
    assert results(tmp_path) == found


def test_checking_twice_is_refused(tmp_path):
    one, other = (ClaimResult("A", verdict) for verdict in (Verdict.HOLDS, Verdict.FAILS))
    with pytest.raises(UserError, match="n.ipynb: claim A is checked twice"):
        checked_in(write_notebook(tmp_path / "n.ipynb", one, other))
    write_notebook(tmp_path / "n.ipynb", one)
    write_notebook(tmp_path / "m.ipynb", other)
    with pytest.raises(UserError, match="claim A is checked by another notebook too"):
        results(tmp_path)


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
    assert not {"verdict", "measured", "unit"} & entry.keys(), "results live in the notebooks' outputs"


@pytest.mark.parametrize("entry", load_ledger(), ids=lambda entry: entry["id"])
def test_evidence_has_the_same_places_in_both_languages(entry):
    places, others = (set(re.findall(r"\{(\w+)\}(?!`)", entry["evidence"][lang])) for lang in ("fa", "en"))
    assert places == others and set(entry.get("conditions", {})) <= places
    for case in (True, False):
        for phrase in (phrases[case] for phrases in entry.get("conditions", {}).values()):
            assert re.search("[\u0600-\u06ff]{2}", phrase["fa"]) and re.search("[a-z]{2}", phrase["en"])


def test_every_claim_is_checked_by_the_notebook_it_names():
    for entry in load_ledger():
        assert entry["id"] in checked_in(NOTEBOOKS / f"{entry['notebook']}.ipynb"), entry["id"]
    assert set(results()) == {entry["id"] for entry in load_ledger()}


@pytest.mark.parametrize("entry", load_ledger(), ids=lambda entry: entry["id"])
def test_the_named_notebook_checks_the_claim(entry):
    source = NOTEBOOKS / f"{entry['notebook']}.md"
    if not source.exists():
        pytest.skip(f"{source.name} is not written yet")
    assert len(re.findall(rf'check_claim\(\s*"{re.escape(entry["id"])}"', source.read_text("utf-8"))) == 1


# A box says what would have made its claim come out otherwise

COUNTED = [entry for entry in load_ledger() if not is_bookkeeping(entry)]
# How a check names an outcome, by the argument of check_claim that leads to it; the last needs none.
OUTCOMES = {
    "holds": {"fa": "(?<!اصلاح )برقرار است اگر", "en": "holds if"},
    "corrected": {"fa": "با یک اصلاح", "en": "with a correction"},
    "depends": {"fa": "بستگی دارد", "en": "it depends on"},
    "fails": {"fa": "برقرار نیست", "en": "does not hold"},
}


def named_outcomes(check, lang):
    """The outcomes of a claim that its check names."""
    return {outcome for outcome, words in OUTCOMES.items() if re.search(words[lang], check)}


def numbers(check):
    """The numbers written in digits, in whichever digits."""
    latin = check.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹٫٬", "0123456789.,"))
    return sorted(set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", latin))))


@pytest.fixture(scope="module")
def outcomes_by_code():
    """The outcomes that the code leaves open, by claim: those it passes to check_claim, and the last."""
    cells = [block.text for path in NOTEBOOKS.glob("*.md") for block in blocks(path) if block.kind == "code"]
    nodes = [node for cell in cells if "check_claim(" in cell for node in ast.walk(ast.parse(cell))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "check_claim"]
    return {c.args[0].value: {k.arg for k in c.keywords} & OUTCOMES.keys() | {"fails"} for c in calls}


@pytest.mark.parametrize("lang", ["fa", "en"])
@pytest.mark.parametrize("entry", COUNTED, ids=lambda entry: entry["id"])
def test_a_check_names_every_outcome_of_the_code_and_no_other(entry, lang, outcomes_by_code):
    assert named_outcomes(entry["check"][lang], lang) == outcomes_by_code[entry["id"]]


@pytest.mark.parametrize("entry", COUNTED, ids=lambda entry: entry["id"])
def test_a_check_has_the_same_numbers_in_both_languages(entry):
    assert numbers(entry["check"]["fa"]) == numbers(entry["check"]["en"])


def test_a_check_that_only_says_what_was_computed_is_found():
    assert named_outcomes("Computed from losses.csv of every run.", "en") == set()
    assert named_outcomes("با یک اصلاح برقرار است اگر تنها یکی درست باشد.", "fa") == {"corrected"}
    assert numbers("۱۰۰٬۰۰۰ عدد، ۰٫۰۵ و $10^{-9}$") == numbers("100,000 numbers, 0.05 and $10^{-9}$")
    assert numbers("کمتر از ۰٫۰۵") != numbers("below 0.5")
