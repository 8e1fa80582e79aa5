"""make grade: what is changed on purpose turns the right row red, and no other."""

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import grade
import jupytext
import nbformat
import pytest
import seal
from nbclient import NotebookClient

from hw2lib.bilingual import EDITIONS
from hw2lib.claims import MIME
from hw2lib.runs.manifest import write_manifest
from hw2lib.runs.reader import paper_root

CLAIM = "from hw2lib.claims import ClaimResult, Verdict\nClaimResult('{}', Verdict.HOLDS, {}, {})"
VALUES = "{'gap': {'fa': '۰٫۲۵', 'en': '0.25', 'value': 0.25}}"
CELLS = [
    "from hw2lib.bilingual import Number, facts, table\ntable([(Number(0.25, '.2f'),)], ['size'])",
    "table([(Number(0.5, '.2f'),)], ['size'])",
    "facts({'size': Number(0.75, '.2f')})",
    *(CLAIM.format(id, VALUES, "{'agree': True}") for id in "ABCD"),
    "facts({'size': Number(0.875, '.3f')})",
]
FIGURE = {"caption": {"fa": "شکل نخست.", "en": "The first figure."}}
LEDGER = [
    {
        "id": id,
        "notebook": "small",
        "evidence": {"fa": "اختلاف {gap} است و {agree}.", "en": "The gap is {gap}, and {agree}."},
        "conditions": {"agree": {True: {"fa": "یکی‌اند", "en": "same"}, False: {"fa": "جدا", "en": "other"}}},
    }
    for id in "ABCD"
]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A small chapter with its stored notebook: tables, facts, four claims and a figure's captions."""
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    cells[-1].metadata |= {"mystnb": {"figure": FIGURE}, "tags": ["nbval-ignore-output"]}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    path = tmp_path_factory.mktemp("chapter") / "small.md"
    jupytext.write(notebook, path, fmt="md:myst")
    NotebookClient(notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"]).execute()
    nbformat.write(notebook, path.with_suffix(".ipynb"))
    return path


@pytest.fixture
def copy(source, tmp_path) -> Path:
    for path in source.parent.glob("small.*"):
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path / "small.md"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


@pytest.fixture(autouse=True)
def sealed(monkeypatch):
    monkeypatch.setattr(grade, "read_seals", lambda: {entry["id"]: seal.seal(entry) for entry in LEDGER})


def rows(source: Path, failed: dict[int, str]) -> dict[str, grade.Row]:
    return {row.name: row for row in grade.notebook_rows(source, LEDGER, failed)}


@pytest.mark.slow
def test_what_is_unchanged_is_reproduced(source):
    failed = grade.run_nbval(source.with_suffix(".ipynb"))
    found = rows(source, failed)
    assert {name: row.differences for name, row in found.items() if row.differences} == {}
    assert list(found) == ["small", *"ABCD"]
    assert found["A"].compared == "holds: The gap is 0.25, and same. (cell 3 of small)"


@pytest.mark.slow
def test_a_changed_stored_output_or_claim_is_red_in_its_row(copy):
    """Six changes in cells of their own: a table in each language, facts, and a claim's three parts."""
    path = copy.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    outputs = [cell.outputs[0].data for cell in notebook.cells]
    outputs[0]["text/plain"] = outputs[0]["text/plain"].replace("0.25", "0.26")
    persian = json.dumps(outputs[1][EDITIONS], ensure_ascii=False)
    outputs[1][EDITIONS] = json.loads(persian.replace("۰٫۵۰", "۰٫۵۱"))
    outputs[2]["text/plain"] = outputs[2]["text/plain"].replace("0.75", "0.76")
    outputs[3][MIME]["verdict"] = "depends"
    outputs[4][MIME]["values"]["gap"]["value"] = 0.26
    outputs[5][MIME]["conditions"]["agree"] = False
    nbformat.write(notebook, path)
    failed = grade.run_nbval(path)
    assert set(failed) == {0, 1, 2, 3, 4, 5}
    assert "0.26" in failed[0] and "0.25" in failed[0], "both values are shown"
    assert "۰٫۵۱" in failed[1] and "۰٫۵۰" in failed[1]
    found = rows(copy, failed)
    assert [name for name, row in found.items() if not row.reproduced] == ["small", "A", "B", "C"]
    assert "depends" in found["A"].differences[0] and "0.26" in found["B"].differences[0]
    assert [line[:6] for line in found["small"].differences] == [f"cell {n}" for n in range(6)]


@pytest.mark.parametrize("lang", ["fa", "en"])
@pytest.mark.parametrize("suffix", [".md", ".ipynb"])
def test_a_caption_changed_in_one_language_is_red_in_its_notebook(copy, lang, suffix):
    edit(copy.with_suffix(suffix), FIGURE["caption"][lang], "!")
    found = rows(copy, {})
    assert [name for name, row in found.items() if not row.reproduced] == ["small"]
    (line,) = found["small"].differences
    assert "figure" in line and FIGURE["caption"][lang] in line


def test_a_changed_line_of_the_source_is_red_in_its_notebook(copy):
    edit(copy, "0.875", "0.876")
    assert not rows(copy, {})["small"].reproduced


def test_a_claim_that_was_lost_or_does_not_fit_its_evidence_is_red(copy):
    path = copy.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[3].outputs = []
    notebook.cells[4].outputs[0].data[MIME]["values"] = {}
    nbformat.write(notebook, path)
    found = rows(copy, {})
    assert [name for name, row in found.items() if not row.reproduced] == ["A", "B"]
    assert "no cell" in found["A"].differences[0] and "do not fit" in found["B"].differences[0]


def test_a_notebook_that_does_not_run_is_red_with_all_its_claims(copy):
    found = rows(copy, {-1: "did not run"})
    assert not any(row.reproduced for row in found.values())


def metric(folder: Path) -> None:
    path = folder / "metrics.json"
    text, n = re.subn(r'("low": )0\.\d+', r"\g<1>0.123", path.read_text("utf-8"), count=1)
    assert n == 1
    path.write_text(text, "utf-8")


def seed(folder: Path) -> None:
    edit(folder / "config.json", '"seed": 0', '"seed": 1')


def lose(folder: Path) -> None:
    (folder / "environment.json").unlink()


@pytest.mark.parametrize("change", [metric, seed, lose])
def test_a_changed_record_is_red_in_its_row(tmp_path, change):
    for name in ("pixels-capsule", "flow-reconstruction-capsule"):
        shutil.copytree(paper_root() / name, tmp_path / name)
    write_manifest(tmp_path)
    assert all(row.reproduced for row in grade.grade_records(tmp_path))
    change(tmp_path / "pixels-capsule/seed-0")
    found = list(grade.grade_records(tmp_path))
    assert [row.name for row in found if not row.reproduced] == ["pixels-capsule/seed-0"]
    assert len(found) > 1


def test_the_page_shows_what_differs_and_where_it_was_found_out(tmp_path):
    found = [
        grade.Row("notebooks", "01", "3 cells"),
        grade.Row("claims", "C1.1", "holds", ("stored <1>, now 2",)),
        grade.Row("records", "maf/seed-0", "9 numbers"),
    ]
    grade.write(found, grade.machine(), tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "2 of 3 reproduced, 1 differ" in page and "stored &lt;1&gt;, now 2" in page
    assert "torch" in page and grade.platform.python_version() in page
    data = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert [row["reproduced"] for row in data["rows"]] == [True, False, True]
    suites = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None] == [
        "C1.1"
    ]
    assert {suite.get("name"): suite.get("failures") for suite in suites} == {
        "claims": "1",
        "notebooks": "0",
        "records": "0",
    }
