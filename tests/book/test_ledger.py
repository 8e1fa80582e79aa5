"""The ledger of claims: complete in both languages, and only ever what the notebooks measured."""

import copy
import json
import re

import grade
import pytest
import seal
from faults import fault
from prose import ROOT
from typer.testing import CliRunner

from hw2lib.bilingual import localize
from hw2lib.claims import VERDICT_NAMES, Verdict, load_ledger, results

# The report's items, as its outline numbers them.
OUTLINE = set(
    "T1.1a T1.1b T1.2a T1.2b P1.1 P1.2 P1.3 P1.4 P1.5 Tab1.1 F1.1 F1.2 F1.3 "
    "C1.1 C1.2 C1.3 C1.4 C1.5 C1.6 A1.1 A1.2 F1.4 F1.5 C1.7 C1.8 "
    "T2.1 T2.2 T2.3 T2.4 T2.5 T2.6 T2.7 T2.8 T2.9 T2.10 Tab2.1 P2.0 F2.1-3 F2.4 "
    "C2.1 C2.2 F2.5 F2.6-8 F2.9 C2.3 C2.4 C2.5".split()
)
# Chapters 1, 3, 4 and 6 of the book check these.
FIRST_CHAPTERS = set(
    "T1.1a T1.1b P1.1 P1.2 P1.3 P1.4 P1.5 Tab1.1 F1.1 F1.2 F1.3 C1.1 C1.2 C1.3 C1.5 C1.6 "
    "A1.1 A1.2 F1.4 F1.5 C1.7".split()
)
LEDGER = load_ledger()


def test_ids_are_those_of_the_outline():
    ids = [entry["id"] for entry in LEDGER]
    assert len(ids) == len(set(ids))
    assert set(ids) <= OUTLINE
    assert FIRST_CHAPTERS <= set(ids)


@pytest.mark.parametrize("entry", LEDGER, ids=lambda entry: entry["id"])
def test_claim_is_told_in_both_languages(entry):
    assert entry["place"]
    assert (ROOT / "notebooks" / f"{entry['notebook']}.md").is_file()
    for part in {"statement", "check", "evidence"} & entry.keys():
        assert set(entry[part]) == {"fa", "en"}
        assert all(text.strip().endswith(".") for text in entry[part].values())


@pytest.mark.parametrize("entry", LEDGER, ids=lambda entry: entry["id"])
def test_a_claim_has_the_words_that_were_sealed(entry):
    """After a change of both languages: python book/seal.py"""
    assert seal.reworded(entry, seal.read_seals()) == ()


@fault(
    "record",
    "the statement of a claim in one language alone",
    "a word of the English, or of the Persian, statement, evidence or condition is changed",
    "A test names the claim, its row of `make grade` is red, and it is sealed again by name only.",
)
@pytest.mark.parametrize("lang", ["fa", "en"])
@pytest.mark.parametrize("part", ["statement", "check", "evidence", "conditions"])
def test_a_claim_reworded_in_one_language_is_found(tmp_path, monkeypatch, part, lang):
    ledger = copy.deepcopy(LEDGER)
    entry = next(e for e in ledger if part in e)
    holder = next(iter(entry[part].values()))[True] if part == "conditions" else entry[part]
    holder[lang] += " Not."
    assert seal.reworded(entry, seal.read_seals()) == (lang,)
    result = results()[entry["id"]]
    row = grade.claim_row(entry, (0, result), {})
    assert not row.reproduced and lang in row.differences[-1]
    sealed = tmp_path / "claims.sha256"
    sealed.write_bytes(seal.SEALS.read_bytes())
    monkeypatch.setattr(seal, "SEALS", sealed)
    monkeypatch.setattr(seal, "read_seals", lambda read=seal.read_seals: read(sealed))
    monkeypatch.setattr(seal, "load_ledger", lambda: ledger)
    with pytest.raises(SystemExit, match=f"{re.escape(entry['id'])}: only changed in {lang}"):
        seal.main([])
    assert sealed.read_bytes() == (ROOT / "book" / "claims.sha256").read_bytes()
    seal.main([entry["id"]])
    assert seal.reworded(entry, seal.read_seals()) == ()


def test_a_verdict_before_is_another():
    changed = {e["id"]: Verdict(e["before"]) for e in LEDGER if "before" in e}
    assert {"C1.2", "A1.2", "C2.1"} <= set(changed)
    found = results()
    assert not [id for id, before in changed.items() if found[id].verdict is before]


def test_first_chapters_are_checked():
    assert FIRST_CHAPTERS <= set(results())


def test_command_prints_the_ledger():
    from hw2lib.cli import app

    result = CliRunner().invoke(app, ["claims", "--json"])
    assert result.exit_code == 0
    rows = {row["id"]: row for row in json.loads(result.stdout)}
    found = results()
    assert list(rows) == [entry["id"] for entry in LEDGER]
    for entry in LEDGER:
        row = rows[entry["id"]]
        assert row["verdict"] == found[entry["id"]].verdict and row["notebook"] == entry["notebook"]
        assert row["evidence"] == {lang: found[entry["id"]].evidence(entry, lang) for lang in ("fa", "en")}
        assert row["statement"] == entry["statement"] and row["place"] == entry["place"]
        assert row["before"] == entry.get("before")
    assert {row["verdict"] for row in rows.values()} <= {v.value for v in Verdict}


@pytest.mark.parametrize("lang", ["fa", "en"])
def test_command_prints_statement_verdict_and_evidence_in_the_language(lang, monkeypatch):
    from hw2lib.cli import app

    monkeypatch.setenv("COLUMNS", "2000")  # every sentence on one line
    result = CliRunner().invoke(app, ["claims", "--lang", lang])
    assert result.exit_code == 0
    found = results()
    for entry in LEDGER:
        assert " ".join(entry["statement"][lang].split()) in result.stdout
        assert found[entry["id"]].evidence(entry, lang) in result.stdout
        assert localize(VERDICT_NAMES[found[entry["id"]].verdict], lang) in result.stdout


def test_command_refuses_another_language():
    from hw2lib.cli import app

    assert CliRunner().invoke(app, ["claims", "--lang", "de"]).exit_code == 2
