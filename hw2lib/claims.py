"""The ledger: what the report claims, what was measured, and whether the claim holds.

``book/claims.yml`` holds one entry per claim. A notebook cell settles a claim by comparing what it
has just measured (:func:`settle`); the result travels in the cell's output, from which
``make rerun`` copies verdict and measured value into the file. Nobody writes a verdict by hand.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from hw2lib.errors import UserError

MIME = "application/vnd.hw2.claim+json"
RESULT_KEYS = ("verdict", "measured", "unit")


class Verdict(StrEnum):
    """What a measurement says of a claim."""

    HOLDS = "holds"
    CORRECTED = "holds with a correction"
    DEPENDS = "depends"
    FAILS = "does not hold"


@dataclass(frozen=True)
class Settled:
    """A claim as a notebook cell has settled it."""

    id: str
    verdict: Verdict
    measured: str
    unit: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        unit = f" {self.unit}" if self.unit else ""
        return {
            "text/plain": f"{self.id}: {self.verdict.value} ({self.measured}{unit})",
            MIME: {
                "id": self.id,
                "verdict": self.verdict.value,
                "measured": self.measured,
                "unit": self.unit,
            },
        }


def settle(
    id: str,
    *,
    measured: object,
    unit: str = "",
    holds: bool = False,
    corrected: bool = False,
    depends: bool = False,
) -> Settled:
    """Settle a claim by what was just measured; put the call at the end of a cell.

    The verdict is the first that is true of ``holds``, ``corrected`` (holds with a correction) and
    ``depends``; if none is, the claim does not hold.

    Args:
        id: the claim's id, such as ``C1.2``.
        measured: the measured value, rounded so that it is the same on every machine.
        unit: its unit, empty for a pure number or a count that explains itself.
        holds: the measurement agrees with the claim as stated.
        corrected: it agrees once the claim is corrected.
        depends: it agrees under some of the conditions measured and not under others.

    Raises:
        UserError: the ledger has no such claim.
    """
    if id not in {entry["id"] for entry in load_ledger()}:
        raise UserError(f"claim {id}: not in {ledger_path()}")
    verdicts = ((holds, Verdict.HOLDS), (corrected, Verdict.CORRECTED), (depends, Verdict.DEPENDS))
    verdict = next((v for condition, v in verdicts if bool(condition)), Verdict.FAILS)
    return Settled(id, verdict, str(measured), unit)


def ledger_path() -> Path:
    """``book/claims.yml`` of this checkout."""
    return Path(__file__).resolve().parents[1] / "book" / "claims.yml"


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


def harvest(notebook: Path) -> dict[str, Settled]:
    """The claims that an executed notebook has settled, from its stored outputs.

    Raises:
        UserError: the notebook settles a claim twice.
    """
    found: dict[str, Settled] = {}
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            value = output.get("data", {}).get(MIME)
            if value is None:
                continue
            if value["id"] in found:
                raise UserError(f"{notebook.name}: claim {value['id']} is settled twice")
            found[value["id"]] = Settled(
                value["id"], Verdict(value["verdict"]), value["measured"], value["unit"]
            )
    return found


def with_results(entries: list[dict[str, Any]], settled: dict[str, Settled]) -> list[dict[str, Any]]:
    """The ledger with verdicts and measured values taken from settled claims."""
    merged = []
    for entry in entries:
        bare = {k: v for k, v in entry.items() if k not in RESULT_KEYS}
        result = settled.get(entry["id"])
        if result is not None:
            bare |= {"verdict": result.verdict.value, "measured": result.measured, "unit": result.unit}
        merged.append(bare)
    return merged


def dump_ledger(entries: list[dict[str, Any]]) -> str:
    """The ledger as YAML text."""
    return yaml.safe_dump(entries, allow_unicode=True, sort_keys=False, width=110)
