"""The protocol: rules that were committed before they were applied.

``book/protocol.yml`` has per rule what is run, what it decides and what of the same data had been seen
before. ``rule_commit`` is the commit that wrote it down; no later change of its text is allowed. Rules that
decide a claim name it under ``claims``, and under ``records`` the recorded runs that it is applied to; those
of them that had been made, or begun, before the rule was written are ``older``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from hw2lib.claims import ROOT
from hw2lib.errors import UserError
from hw2lib.runs.paths import paper_root, run_commits

# What is added to a rule after it has been committed; the rest is the rule.
ADDED = {"rule_commit", "claims", "records", "older"}


@dataclass(frozen=True)
class Provenance:
    """Where a rule and the records that it was applied to come from.

    Attributes:
        rule: id of the rule in ``book/protocol.yml``.
        rule_commit: 12 hex digits.
        record_commits: the commits whose code made the records, also those from which an interrupted run went
            on; none where the rule is applied live.
        older: jobs with records that are older than the rule.
    """

    rule: str
    rule_commit: str
    record_commits: tuple[str, ...]
    older: tuple[str, ...] = ()


def rule_text(rule: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule says, without what is added to it later."""
    return {key: value for key, value in rule.items() if key not in ADDED}


@cache
def load_protocol() -> tuple[dict[str, Any], ...]:
    """The rules of this checkout, in the order of the file."""
    return tuple(yaml.safe_load((ROOT / "book" / "protocol.yml").read_text("utf-8")))


def provenance(claim: str) -> list[Provenance]:
    """The rules that decide a claim, by its id; none where no rule was written down beforehand."""
    decide = (rule for rule in load_protocol() if claim in rule.get("claims", ()))
    return [_provenance(rule) for rule in decide if "rule_commit" in rule]


def provenance_of(id: str) -> Provenance:
    """That of one rule, by its own id.

    Raises:
        UserError: there is no such rule, or it has not been committed.
    """
    rule = next((rule for rule in load_protocol() if rule["id"] == id), {})
    if "rule_commit" not in rule:
        raise UserError(f"{id}: no committed rule of book/protocol.yml")
    return _provenance(rule)


def _provenance(rule: Mapping[str, Any]) -> Provenance:
    commits = record_commits(tuple(rule.get("records", ())))
    return Provenance(rule["id"], rule["rule_commit"], commits, tuple(rule.get("older", ())))


@cache
def record_commits(jobs: tuple[str, ...]) -> tuple[str, ...]:
    """The commits that recorded jobs were begun and resumed from, sorted; ``-dirty`` marks changes."""
    found = (path for job in jobs for path in (paper_root() / job).rglob("environment.json"))
    return tuple(sorted({commit for path in found for commit in run_commits(path.parent) if commit}))
