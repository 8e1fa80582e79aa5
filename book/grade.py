"""What does this machine reproduce? One page, by notebook, by claim and by record.

python book/grade.py                       everything (make grade); exit code 1 where something differs
python book/grade.py records               only these parts: notebooks (with their claims), records, book
python book/grade.py notebooks -n 01_name  only this chapter

Written to _build/grade: index.html to read, report.json and junit.xml for programs.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from pairs import facts, read_source, read_stored
from pictures import LIVE, tolerance
from seal import read_seals, reworded

from hw2lib.claims import MIME, ClaimResult, load_ledger
from hw2lib.jobs.verify import verify
from notebooks import AT_ONCE, LONG, sources

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "_build" / "grade"
PARTS = ("notebooks", "records", "book")
VERSIONS = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "sympy", "matplotlib", "nbval")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Settings of a person's own that would change what the notebooks read.
OWN_CHOICES = ("HW2_DATA", "HW2_RESULTS")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Grade: {title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: start; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ccc; }}
td:nth-child(2) {{ white-space: nowrap; font-weight: 700; }}
tr.same td:nth-child(2) {{ color: #00664a; }} tr.differs td:nth-child(2) {{ color: #a33f00; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .6rem; }}
</style></head><body>
<h1>{title}</h1><table>{machine}</table>
{parts}
</body></html>
"""


@dataclass(frozen=True)
class Row:
    """One thing that was reproduced, or was not.

    Attributes:
        part: ``notebooks``, ``claims``, ``records`` or ``book``.
        name: the notebook, the claim's id, the record or the test.
        compared: what was held against what.
        differences: what differs, empty if nothing does.
    """

    part: str
    name: str
    compared: str
    differences: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        return not self.differences


def pytest(*arguments: str) -> tuple[ElementTree.Element, str]:
    """Run pytest; its test cases, and the end of what it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in OWN_CHOICES}
    paths = [str(ROOT / "book"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "--color=no"]
        command += ["-q", f"--junitxml={junit}", *arguments]
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        cases = ElementTree.parse(junit).getroot() if junit.exists() else ElementTree.Element("testsuites")
    return cases, run.stdout[-3000:] + run.stderr[-3000:]


def failure(case: ElementTree.Element) -> str:
    """Why a test case failed, empty if it did not; of nbval's report, what was stored and what came now."""
    found = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
    if found is None:
        return ""
    text = ANSI.sub("", found.text or found.get("message", "")).strip()
    return text.partition("Traceback:")[2].strip() or text[-2000:] or "failed"


def run_nbval(notebook: Path) -> dict[int, str]:
    """What differs in each code cell of a notebook, by its number; -1 stands for the whole notebook."""
    cases, printed = pytest("-p", "pictures", "--nbval", "--nbval-cell-timeout", "600", str(notebook))
    outcomes = {
        int(found[1]): failure(case)
        for case in cases.iter("testcase")
        if (found := re.search(r"Cell (\d+)", case.get("name", "")))
    }
    return {n: text for n, text in outcomes.items() if text} if outcomes else {-1: f"did not run:\n{printed}"}


def differences(source: Path) -> list[str]:
    """Where a source and the .ipynb beside it differ in a cell's kind, text, tags or figure."""
    stored = source.with_suffix(".ipynb")
    ours, theirs = facts(read_source(source)), facts(read_stored(stored))
    found = [f"{len(ours)} blocks and {len(theirs)}"] if len(ours) != len(theirs) else []
    names = ("kind", "text", "tags", "figure")
    for number, pair in enumerate(zip(ours, theirs, strict=False)):
        for name, a, b in zip(names, *pair, strict=True):
            found += [f"block {number}, {name}:\n{a}\n--- stored:\n{b}"] if a != b else []
    return found


def notebook_rows(source: Path, ledger: list[dict], failed: dict[int, str]) -> Iterator[Row]:
    """A row for the notebook, and one for each claim of the ledger that names it."""
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    drawn = [cell for cell in cells if "nbval-ignore-output" in cell.metadata.get("tags", ())]
    live = sum(tolerance(cell) is LIVE for cell in drawn)
    found = [f"cell {n}: {text}" if n >= 0 else text for n, text in sorted(failed.items())]
    found += [f"source and stored notebook: {line}" for line in differences(source)]
    compared = (
        f"outputs of {len(cells) - len(drawn)} cells, and the pictures of {len(drawn)} in both editions"
    )
    if live:
        compared += f"; {live} of these show a live training or times, and were compared roughly"
    yield Row("notebooks", source.stem, compared, tuple(found))
    stored = {
        output["data"][MIME]["id"]: (number, ClaimResult.from_data(output["data"][MIME]))
        for number, cell in enumerate(cells)
        for output in cell.outputs
        if MIME in output.get("data", {})
    }
    for entry in ledger:
        if entry["notebook"] == source.stem:
            yield claim_row(entry, stored.get(entry["id"]), failed)


def claim_row(entry: dict, stored: tuple[int, ClaimResult] | None, failed: dict[int, str]) -> Row:
    """Did the cell that decides a claim give its verdict and its values again?"""
    if stored is None:
        return Row("claims", entry["id"], "its cell", ("no cell of the notebook stores a result",))
    number, result = stored
    try:
        evidence = result.evidence(entry, "en")
        result.evidence(entry, "fa")
    except (KeyError, ValueError) as error:
        problem = f"the stored values do not fit the evidence of claims.yml: {error}"
        return Row("claims", entry["id"], f"cell {number} of {entry['notebook']}", (problem,))
    found = [text for n, text in failed.items() if n in (-1, number)]
    if langs := reworded(entry, read_seals()):
        found.append(f"its words in {' and '.join(langs)} are not those that were sealed; see book/seal.py")
    compared = f"{result.verdict.value}: {evidence} (cell {number} of {entry['notebook']})"
    return Row("claims", entry["id"], compared, tuple(found))


def grade_notebooks(names: list[str]) -> Iterator[Row]:
    """Strict nbval on the notebooks, several at once, the longest first."""
    chosen, ledger = sources(names), load_ledger()
    in_order = sorted(chosen, key=lambda source: not source.stem.startswith(LONG))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {source: pool.submit(run_nbval, source.with_suffix(".ipynb")) for source in in_order}
        for source in chosen:
            yield from notebook_rows(source, ledger, runs[source].result())


def grade_records(root: Path | None = None) -> Iterator[Row]:
    """A row for each recorded run: its files against the manifest, its numbers against its files."""
    checks = defaultdict(list)
    for check in verify(root=root):
        checks[check.record].append(check)
    for record, found in sorted(checks.items()):
        wrong = [f"{c.what}: recorded {c.recorded}, recomputed {c.recomputed}" for c in found if not c.holds]
        yield Row("records", record or "results/paper", f"{len(found)} numbers and files", tuple(wrong))


def grade_book() -> Iterator[Row]:
    """Both editions are built from what is stored, and what was built is tested, browser apart."""
    build = [sys.executable, "book/build.py", "--stored"]
    run = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    problem = (run.stderr[-3000:] or run.stdout[-3000:],) if run.returncode else ()
    yield Row("book", "both editions", "built without a warning", problem)
    if problem:
        return
    cases, printed = pytest("tests/book", "-m", "not browser and not long")
    tests = defaultdict(list)
    for case in cases.iter("testcase"):
        tests[case.get("classname", "").rpartition(".")[2]].append(case)
    for name, of_file in tests.items():
        wrong = [f"{case.get('name')}: {text}" for case in of_file if (text := failure(case))]
        yield Row("book", name, f"{len(of_file)} tests", tuple(wrong))
    if not tests:
        yield Row("book", "tests/book", "tests", (printed,))


def machine() -> dict[str, str]:
    """Where and with what this was found out."""
    cpu = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.*)", cpu.read_text("utf-8")) if cpu.exists() else None
    commit, changed = (
        subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        for arguments in (
            ("describe", "--always", "--dirty"),
            ("status", "--porcelain", "--ignore-submodules"),
        )
    )
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit or "not a checkout",
        "not committed": ", ".join(line.split()[-1] for line in changed.splitlines()) or "nothing",
        "system": platform.platform(),
        "processor": f"{model[1] if model else platform.processor()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in VERSIONS),
    }


def write(rows: list[Row], found_on: dict[str, str], out: Path) -> None:
    """The page, and the same for programs."""
    out.mkdir(parents=True, exist_ok=True)
    data = {"machine": found_on, "rows": [asdict(row) | {"reproduced": row.reproduced} for row in rows]}
    (out / "report.json").write_text(json.dumps(data, indent=1, ensure_ascii=False), "utf-8")
    suites, parts = ElementTree.Element("testsuites"), []
    for part, group in groupby(sorted(rows, key=lambda row: row.part), key=lambda row: row.part):
        of_part = list(group)
        wrong = sum(not row.reproduced for row in of_part)
        numbers = {"tests": str(len(of_part)), "failures": str(wrong)}
        suite = ElementTree.SubElement(suites, "testsuite", name=part, **numbers)
        lines = []
        for row in of_part:
            case = ElementTree.SubElement(suite, "testcase", classname=part, name=row.name)
            if row.differences:
                ElementTree.SubElement(case, "failure", message="differs").text = "\n\n".join(row.differences)
            shown = "".join(f"<pre>{escape(text)}</pre>" for text in row.differences)
            state, word = ("same", "reproduced") if row.reproduced else ("differs", "differs")
            lines.append(
                f'<tr class="{state}"><td>{escape(row.name)}</td><td>{word}</td>'
                f"<td>{escape(row.compared)}{shown}</td></tr>"
            )
        head = f"{part}: {len(of_part) - wrong} of {len(of_part)} reproduced"
        parts.append(f"<h2>{head}</h2><table>{''.join(lines)}</table>")
    ElementTree.ElementTree(suites).write(out / "junit.xml", encoding="utf-8", xml_declaration=True)
    page = PAGE.format(
        title=summary(rows),
        machine="".join(
            f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in found_on.items()
        ),
        parts="\n".join(parts),
    )
    (out / "index.html").write_text(page, "utf-8")


def summary(rows: list[Row]) -> str:
    """How much of it was reproduced, in a line."""
    same = sum(row.reproduced for row in rows)
    return f"{same} of {len(rows)} reproduced" + ("" if same == len(rows) else f", {len(rows) - same} differ")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("-n", "--notebook", action="append", default=[], help="only this chapter")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"{min(unknown)}: expected one of {', '.join(PARTS)}")
    grades = {
        "records": grade_records,
        "notebooks": lambda: grade_notebooks(options.notebook),
        "book": grade_book,
    }
    started, rows = time.perf_counter(), []
    for part, grade in grades.items():
        if not options.parts or part in options.parts:
            for row in grade():
                rows.append(row)
                if row.part != "claims" or not row.reproduced:
                    print(
                        f"{row.part:10}{row.name:32}{'reproduced' if row.reproduced else 'DIFFERS'}",
                        flush=True,
                    )
    found_on = machine() | {"seconds": f"{time.perf_counter() - started:.0f}"}
    write(rows, found_on, OUT)
    print(f"{summary(rows)}; {(OUT / 'index.html').relative_to(ROOT)}")
    sys.exit(any(not row.reproduced for row in rows))


if __name__ == "__main__":
    main()
