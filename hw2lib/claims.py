"""The ledger: what the report claims, what was measured, and whether the claim holds.

``book/claims.yml`` is source only: a claim's statement, how it is checked, and a sentence of evidence
with named places, in both languages; ``kind: bookkeeping`` for a claim that is listed and not counted
among the verdicts; ``before`` for the verdict before the rules were reviewed, where that was another. A
notebook cell checks the claim against what it has just measured (:func:`check_claim`); verdict and values
live in that cell's output and nowhere else. Boxes, ledger and ``hw2 claims`` put the two together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from hw2lib.bilingual import LANGUAGES, Text, as_data, check_places, fill, localize
from hw2lib.errors import UserError
from hw2lib.schema import read_json

MIME = "application/vnd.hw2.claim+json"
ROOT = Path(__file__).resolve().parents[1]


class _Output(BaseModel):
    data: dict[str, Any] = {}


class _Cell(BaseModel):
    outputs: list[_Output] = []


class _Notebook(BaseModel):
    """As much of an .ipynb file as is read here."""

    cells: list[_Cell]


class Verdict(StrEnum):
    """What a measurement says of a claim."""

    HOLDS = "holds"
    CORRECTED = "holds with a correction"
    DEPENDS = "depends"
    FAILS = "does not hold"


VERDICT_NAMES = {
    Verdict.HOLDS: Text("برقرار است", "holds"),
    Verdict.CORRECTED: Text("با یک اصلاح برقرار است", "holds with a correction"),
    Verdict.DEPENDS: Text("بستگی دارد", "depends"),
    Verdict.FAILS: Text("برقرار نیست", "does not hold"),
}
BOOKKEEPING = Text("ثبتی", "bookkeeping")
# What a claim is about, by the letters that its id begins with.
SUBJECTS = {
    "T": Text("نظریه", "theory"),
    "P": Text("پیاده‌سازی", "implementation"),
    "Tab": Text("جدول", "table"),
    "F": Text("شکل", "figure"),
    "C": Text("نتیجه", "result"),
    "A": Text("تحلیل", "analysis"),
}


def subject(id: str) -> str:
    """The key of :data:`SUBJECTS` for a claim.

    >>> subject("Tab1.1")
    'Tab'
    """
    return id[: next(k for k, letter in enumerate(id) if letter.isdigit())]


def is_bookkeeping(entry: Mapping[str, Any]) -> bool:
    """Whether a claim only says that something is there, or as the report has it: listed, not judged."""
    return entry.get("kind") == "bookkeeping"


@dataclass(frozen=True)
class ClaimResult:
    """What a notebook cell found when it checked a claim.

    Attributes:
        id: the claim's id, such as ``C1.2``.
        verdict: what the measurement says of it.
        values: by the name of its place: how each language shows it (``fa``, ``en``), and for programs
            ``value`` and ``unit`` of a number or ``holds`` of a condition.
        conditions: by name, whether each of the claim's conditions came out true.
    """

    id: str
    verdict: Verdict
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        came_out = {name: localize(value, "en") for name, value in self.conditions.items()}
        named = {name: value["en"] for name, value in self.values.items()} | came_out
        shown = "; ".join(f"{name}: {value}" for name, value in named.items())
        data = {
            "id": self.id,
            "verdict": self.verdict.value,
            "values": self.values,
            "conditions": self.conditions,
        }
        return {"text/plain": f"{self.id}: {self.verdict.value} ({shown})", MIME: data}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "ClaimResult":
        """The result that a cell's output holds; ValueError where it is none."""
        try:
            values, conditions = dict(data["values"]), dict(data["conditions"])
            return cls(data["id"], Verdict(data["verdict"]), values, conditions)
        except (KeyError, TypeError) as error:
            raise ValueError("is no result of a claim") from error

    def evidence(self, entry: Mapping[str, Any], lang: str) -> str:
        """The evidence for its claim as a sentence of Markdown.

        Args:
            entry: the claim's entry in the ledger.
            lang: ``fa`` or ``en``.
        """
        phrases = {name: entry["conditions"][name][case][lang] for name, case in self.conditions.items()}
        return fill(entry["evidence"][lang], phrases | {name: v[lang] for name, v in self.values.items()})


def check_claim(
    id: str,
    *,
    values: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
    holds: Any = False,
    corrected: Any = False,
    depends: Any = False,
) -> ClaimResult:
    """Check a claim against what was just measured; put the call at the end of a cell.

    The verdict is the first that is true of ``holds``, ``corrected`` (holds with a correction) and
    ``depends``; if none is, the claim does not hold.

    Args:
        id: the claim's id, such as ``C1.2``.
        values: for each named place of the claim's evidence a value, rounded so that it is the same on
            every machine: anything that :func:`hw2lib.bilingual.localize` takes.
        conditions: for each condition of the claim in ``claims.yml``, whether it came out true.
        holds: the measurement agrees with the claim as stated.
        corrected: it agrees once the claim is corrected.
        depends: it agrees under some of the conditions measured and not under others.

    Raises:
        UserError: the ledger has no such claim, or its evidence has other places than these values.
    """
    entry = next((entry for entry in load_ledger() if entry["id"] == id), None)
    if entry is None:
        raise UserError(f"claim {id}: not in {ledger_path()}")
    verdicts = ((holds, Verdict.HOLDS), (corrected, Verdict.CORRECTED), (depends, Verdict.DEPENDS))
    verdict = next((v for condition, v in verdicts if bool(condition)), Verdict.FAILS)
    phrases = entry.get("conditions", {})
    came_out = {name: bool(value) for name, value in (conditions or {}).items()}
    try:
        if phrases.keys() != came_out.keys():
            raise ValueError(f"expected the conditions {sorted(phrases)}, not {sorted(came_out)}")
        given = {name: as_data(value) for name, value in (values or {}).items()}
        check_places(Text(**entry["evidence"]), [*given, *came_out])
    except ValueError as error:
        raise UserError(f"claim {id}: {error}") from error
    return ClaimResult(id, verdict, given, came_out)


def ledger_path() -> Path:
    """``book/claims.yml`` of this checkout."""
    return ROOT / "book" / "claims.yml"


def load_ledger(path: Path | None = None) -> list[dict[str, Any]]:
    """The ledger's entries, in the order of the file.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = path or ledger_path()
    try:
        entries = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        problem = "cannot be read as the ledger of claims; is the package installed from a checkout, with -e?"
        raise UserError(f"{path}: {problem}") from error
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "id" in e for e in entries):
        raise UserError(f"{path}: expected a list of claims, each with an id")
    return entries


def checked_in(notebook: Path) -> dict[str, ClaimResult]:
    """The claims that an executed notebook has checked, from its stored outputs.

    Raises:
        UserError: the file is no notebook, or checks a claim twice.
    """
    found: dict[str, ClaimResult] = {}
    for cell in read_json(notebook, _Notebook)["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {}).get(MIME)
            if data is None:
                continue
            try:
                result = ClaimResult.from_data(data)
            except ValueError as error:
                raise UserError(f"{notebook.name}: an output {error}; run it again") from error
            if result.id in found:
                raise UserError(f"{notebook.name}: claim {result.id} is checked twice")
            found[result.id] = result
    return found


def results(notebooks: Path | None = None) -> dict[str, ClaimResult]:
    """The results of all claims, from the executed notebooks of a folder (those of this checkout).

    Raises:
        UserError: two notebooks check the same claim.
    """
    found: dict[str, ClaimResult] = {}
    for notebook in sorted((notebooks or ROOT / "notebooks").glob("*.ipynb")):
        here = checked_in(notebook)
        if twice := found.keys() & here.keys():
            raise UserError(f"{notebook.name}: claim {min(twice)} is checked by another notebook too")
        found |= here
    return found


def count_verdicts(
    entries: Iterable[Mapping[str, Any]], found: Mapping[str, ClaimResult]
) -> dict[Verdict, int]:
    """How many of the claims came out each way, bookkeeping left out."""
    judged = [found[e["id"]].verdict for e in entries if e["id"] in found and not is_bookkeeping(e)]
    return {verdict: judged.count(verdict) for verdict in Verdict}


def as_row(
    entry: Mapping[str, Any], result: ClaimResult | None, rules: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """A claim, its result and its rules for programs, as ``hw2 claims --json`` prints them."""
    row = {name: entry[name] for name in ("id", "place", "notebook", "statement")}
    row |= {"verdict": None, "before": entry.get("before"), "evidence": None}
    row |= {"kind": entry.get("kind", "verdict"), "rules": list(rules)}
    if result is None:
        return row | {"values": {}, "conditions": {}}
    return row | {
        "verdict": result.verdict.value,
        "evidence": {lang: result.evidence(entry, lang) for lang in LANGUAGES},
        "values": {name: dict(value) for name, value in result.values.items()},
        "conditions": dict(result.conditions),
    }
