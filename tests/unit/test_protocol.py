"""The protocol: rules that were committed before what they decide, and have not been changed since."""

import json
import re
import subprocess

import pytest
import yaml
from prose import ROOT
from typer.testing import CliRunner

from hw2lib.claims import Verdict, as_row, count_verdicts, is_bookkeeping, load_ledger, results
from hw2lib.cli import app
from hw2lib.errors import UserError
from hw2lib.protocol import load_protocol, provenance, provenance_of, record_commits, rule_text
from hw2lib.runs.paths import MARKED, is_from_uncommitted_code, paper_root, run_commits
from hw2lib.runs.reader import paper_runs

IDS = {entry["id"] for entry in load_ledger()}


def git(*arguments: str) -> str:
    found = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    return found.stdout if found.returncode == 0 else ""


@pytest.fixture(scope="module")
def history() -> None:
    if git("rev-parse", "--is-shallow-repository").strip() != "false":
        pytest.skip("no history here")


def test_every_rule_says_what_it_decides_and_what_had_been_seen():
    rules = load_protocol()
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["runs"] and rule["decides"] and rule["seen_before"], rule["id"]
        if "rule_commit" in rule or "claims" in rule:  # a rule cannot hold the commit that first writes it
            assert re.fullmatch("[0-9a-f]{12}", rule["rule_commit"]), rule["id"]
        assert set(rule.get("claims", ())) <= IDS, rule["id"]


COMMITTED = [rule for rule in load_protocol() if "rule_commit" in rule]


@pytest.mark.parametrize("rule", COMMITTED, ids=lambda rule: rule["id"])
def test_the_commit_of_a_rule_wrote_it_as_it_stands(rule, history):
    at = git("show", f"{rule['rule_commit']}:book/protocol.yml")
    then = {old["id"]: rule_text(old) for old in yaml.safe_load(at) or ()}
    assert then.get(rule["id"]) == rule_text(rule), "a committed rule is not changed: write a new one"
    assert git("merge-base", rule["rule_commit"], "HEAD").startswith(rule["rule_commit"])


def begun_from(job: str) -> set[str]:
    """The commits that the runs of a job were begun from; going on with one does not make it newer."""
    return {run_commits(path.parent)[0] for path in (paper_root() / job).rglob("environment.json")}


@pytest.mark.parametrize("rule", COMMITTED, ids=lambda rule: rule["id"])
def test_a_rule_names_the_records_that_are_older(rule, history):
    def is_older(commit: str) -> bool:
        base = git("merge-base", rule["rule_commit"], commit.removesuffix("-dirty"))
        assert base, f"{commit} is not in the history"
        return not base.startswith(rule["rule_commit"])

    jobs = rule.get("records", [])
    assert rule.get("older", []) == [job for job in jobs if any(map(is_older, begun_from(job)))]


def test_a_rule_without_a_commit_has_no_provenance():
    assert provenance_of("three-layers").older == ("maf-capsule",)
    with pytest.raises(UserError, match="no-such-rule: no committed rule"):
        provenance_of("no-such-rule")


def test_a_claim_shows_the_commits_of_its_rule_and_of_its_records():
    (found,) = provenance("C1.1")
    assert (found.rule, found.rule_commit) == ("training-time", "dd70fd425357")
    recorded = {commit for run in paper_runs("maf-capsule") for commit in run_commits(run.path)}
    assert set(found.record_commits) == recorded
    assert provenance("T1.1a") == []
    rows = json.loads(CliRunner().invoke(app, ["claims", "--json"]).stdout)
    shown = next(row["rules"] for row in rows if row["id"] == "C1.1")
    assert [rule["rule_commit"] for rule in shown] == [found.rule_commit]


def test_the_commits_of_a_record_are_also_those_that_went_on_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HW2_RESULTS", str(tmp_path))
    resumed = [
        {"epoch": 1, "step": 2, "commit": "b" * 12 + "-dirty"},
        {"epoch": 3, "step": 0, "commit": "c" * 12},
    ]
    for job, more in {"resumed-job": {"resumed": resumed}, "job": {}}.items():
        (tmp_path / job / "seed-0").mkdir(parents=True)
        text = json.dumps({"commit": "d" * 12} | more)
        (tmp_path / job / "seed-0" / "environment.json").write_text(text, "utf-8")
    assert record_commits(("resumed-job",)) == ("b" * 12 + "-dirty", "c" * 12, "d" * 12)
    assert record_commits(("job",)) == ("d" * 12,) and begun_from("resumed-job") == begun_from("job")


def test_the_boxes_show_who_went_on_with_a_record():
    shown = provenance_of("apple2orange-small").record_commits
    assert {"ab808f11d1f6", "5a15b17117cd", "78bc15ad0801", "874f9c8aa9fa"} == {*shown}


def test_no_record_is_from_a_dirty_checkout_and_runs_that_are_decide_nothing():
    runs = [path.parent.relative_to(paper_root()) for path in paper_root().rglob("environment.json")]
    dirty = [run for run in runs if is_from_uncommitted_code(paper_root() / run)]
    assert dirty == [run for run in runs if run.parts[0] == MARKED] and len(runs) > 60
    decide = [job for rule in load_protocol() for job in rule.get("records", ())]
    assert len(decide) > 40
    assert all((paper_root() / job).is_dir() and not job.startswith(MARKED) for job in decide)


def test_bookkeeping_is_listed_and_not_counted():
    ledger, found = load_ledger(), results()
    assert {entry.get("kind", "bookkeeping") for entry in ledger} == {"bookkeeping"}
    listed = [entry["id"] for entry in ledger if is_bookkeeping(entry)]
    assert {"Tab1.1", "F1.1", "F2.4"} <= set(listed) and not {"C1.2", "F1.2", "P1.5"} & set(listed)
    counts = count_verdicts(ledger, found)
    assert list(counts) == list(Verdict) and sum(counts.values()) == len(ledger) - len(listed)
    judged = [found[entry["id"]].verdict for entry in ledger if entry["id"] not in listed]
    assert counts[Verdict.FAILS] == judged.count(Verdict.FAILS)
    assert as_row(ledger[0], None)["kind"] == "verdict"
