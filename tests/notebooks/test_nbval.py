"""Strict nbval: the code gives what the notebooks store, on one thread and plain instructions too."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from prose import NOTEBOOKS, ROOT

from hw2lib.bilingual import EDITIONS
from hw2lib.claims import MIME

ONE_THREAD_PLAIN_INSTRUCTIONS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "default",
}
OWN_CHOICES = ("HW2_DATA", "HW2_RESULTS", *ONE_THREAD_PLAIN_INSTRUCTIONS)
LONG = ("08", "09")  # one that came last would run alone
# What nbval is shown to compare below; a checked cell may print nothing else.
COMPARED = {"text/plain", "text/markdown", EDITIONS, MIME}
SMALL = [
    "print('loss', 3.25)",
    "from hw2lib.claims import ClaimResult, Verdict\n"
    "ClaimResult('C9.9', Verdict.HOLDS, {'size': {'fa': '۰٫۱۲۵', 'en': '0.125'}})",
    "from IPython.display import Markdown\nMarkdown('the value is $0.5$')",
    "import numpy as np\nnp.arange(3) / 2",
    "from hw2lib.bilingual import Number, table\ntable([(Number(0.25, '.2f'),)], ['size'])",
    "import sys\nprint('first 17')\nprint('to the other stream 18', file=sys.stderr)\nprint('second 19')",
]


def nbval(notebook: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run nbval in its strict mode on one notebook, with nothing of this process's choices."""
    clean = {key: value for key, value in os.environ.items() if key not in OWN_CHOICES}
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-cell-timeout", "600"]
    command += ["-o", "addopts=", "-p", "no:cacheprovider", "-rA", "--color=no", str(notebook)]
    return subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True)


def cells(result: subprocess.CompletedProcess, outcome: str) -> set[int]:
    """Numbers of the code cells with an outcome, such as FAILED."""
    return {int(n) for n in re.findall(rf"^{outcome} .*::Cell (\d+)", result.stdout, re.M)}


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def other_digit(text: str) -> str:
    """The text with its last digit changed."""
    return re.sub(r"\d(?=\D*$)", lambda m: str((int(m[0]) + 1) % 10), text)


def changed(value: object) -> object:
    """Text, or the first text with a digit in nested data, with its last digit changed."""
    if isinstance(value, str):
        return other_digit(value)
    key = next(key for key, inner in value.items() if re.search(r"\d", json.dumps(inner, ensure_ascii=False)))
    return value | {key: changed(value[key])}


def assert_every_cell_passed(result: subprocess.CompletedProcess, notebook: Path) -> None:
    assert result.returncode == 0, result.stdout[-6000:]
    assert cells(result, "PASSED") == set(range(len(code_cells(nbformat.read(notebook, as_version=4)))))


@pytest.fixture(scope="module")
def runs(request, first_chapter_changed) -> Iterator[dict[str, Future]]:
    """nbval's runs of what was selected, by test: two at once, those of the longest notebooks first."""
    environments = {
        test_stored_outputs_are_what_the_code_gives.__name__: {},
        test_stored_outputs_are_what_one_thread_gives.__name__: ONE_THREAD_PLAIN_INSTRUCTIONS,
    }
    wanted = {}
    for item in request.session.items:
        name = getattr(item, "originalname", "")
        if name in environments:
            wanted[item.nodeid] = item.callspec.params["source"].with_suffix(".ipynb"), environments[name]
        elif name == test_a_changed_digit_in_any_cell_of_the_first_chapter_fails.__name__:
            wanted[item.nodeid] = first_chapter_changed[0], {}
    in_order = sorted(wanted.items(), key=lambda run: not run[1][0].stem.startswith(LONG))
    with ThreadPoolExecutor(2) as pool:
        yield {key: pool.submit(nbval, notebook, **more) for key, (notebook, more) in in_order}
        pool.shutdown(cancel_futures=True)  # after a failure under -x


@pytest.fixture
def result(request, runs) -> subprocess.CompletedProcess:
    """nbval's run for this test, once it has ended."""
    return runs[request.node.nodeid].result()


@pytest.mark.slow
@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_what_the_code_gives(source, result):
    assert_every_cell_passed(result, source.with_suffix(".ipynb"))


@pytest.mark.long
@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_what_one_thread_gives(source, result):
    assert_every_cell_passed(result, source.with_suffix(".ipynb"))


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_checked_cells_hold_only_what_nbval_compares(source):
    numbers = 0
    for cell in code_cells(nbformat.read(source.with_suffix(".ipynb"), as_version=4)):
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            assert set(output.get("data", ())) <= COMPARED, cell.source
            numbers += len(re.findall(r"\d+", output.get("text", json.dumps(output.get("data")))))
    assert numbers > 5


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A small executed notebook with each kind of output that the book's notebooks have."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in SMALL])
    NotebookClient(notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"]).execute()
    path = tmp_path_factory.mktemp("small") / "small.ipynb"
    nbformat.write(notebook, path)
    return path


def test_unchanged_outputs_pass(small):
    result = nbval(small)
    assert result.returncode == 0, result.stdout
    assert cells(result, "PASSED") == set(range(len(SMALL)))


def change_stream(cell):
    cell.outputs[0].text = other_digit(cell.outputs[0].text)


def change_mime(mime):
    def change(cell):
        cell.outputs[0].data[mime] = changed(cell.outputs[0].data[mime])

    return change


@pytest.mark.parametrize(
    "changes",
    [
        {
            0: change_stream,
            1: change_mime(MIME),
            2: change_mime("text/markdown"),
            3: change_mime("text/plain"),
            4: change_mime(EDITIONS),
        },
        {1: change_mime("text/plain"), 4: change_mime("text/plain"), 5: change_stream},
    ],
    ids=["stream-claim-markdown", "plain-and-second-line"],
)
def test_one_changed_digit_fails(small, tmp_path, changes):
    notebook = nbformat.read(small, as_version=4)
    for number, change in changes.items():
        before = json.dumps(notebook.cells[number])
        change(notebook.cells[number])
        assert json.dumps(notebook.cells[number]) != before
    path = tmp_path / "changed.ipynb"
    nbformat.write(notebook, path)
    result = nbval(path)
    assert result.returncode == 1
    assert cells(result, "FAILED") == set(changes)


@pytest.fixture(scope="module")
def first_chapter_changed(tmp_path_factory) -> tuple[Path, set[int]]:
    """The first chapter with another digit in every checked cell that has one, and these cells' numbers."""
    path = NOTEBOOKS[0].with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    numbers = set()
    for number, cell in enumerate(code_cells(notebook)):
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            holder, key = (output, "text") if "text" in output else (output["data"], "text/plain")
            if re.search(r"\d", holder[key]):
                numbers.add(number)
                holder[key] = other_digit(holder[key])
    copy = tmp_path_factory.mktemp("changed") / path.name
    nbformat.write(notebook, copy)
    return copy, numbers


@pytest.mark.slow
def test_a_changed_digit_in_any_cell_of_the_first_chapter_fails(first_chapter_changed, result):
    _, changed = first_chapter_changed
    assert len(changed) >= 3
    assert result.returncode == 1
    assert cells(result, "FAILED") == changed, result.stdout[-4000:]
