"""No edit of a notebook is lost, whichever of its two files was edited, and damage is named in one line."""

import importlib.util
import os
import subprocess

import jupytext
import nbformat
import pairs
import pytest
from faults import cases, fault
from prose import NOTEBOOKS, ROOT

CODE = "x = 1\nprint(x)"
TEXT = "Some words, and a formula $x^2$."
KEPT = "It is said which file is newer, and nothing is run; `sync` takes the edit over."


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The notebook script, looking at a folder of its own, whose notebooks need no kernel."""
    spec = importlib.util.spec_from_file_location("book_notebooks", ROOT / "book" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(module, "SOURCES", tmp_path / "notebooks")
    monkeypatch.setattr(pairs, "KEPT", tmp_path / "replaced")

    async def execute(source):
        notebook = module.read(source)
        for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
            cell.execution_count, cell.outputs = count, [nbformat.v4.new_output("stream", text=f"{count}\n")]
        return notebook

    monkeypatch.setattr(module, "execute", execute)
    return module


@pytest.fixture
def pair(script):
    """The source of a notebook of three cells, stored."""
    source = script.SOURCES / "tiny.md"
    cells = [nbformat.v4.new_markdown_cell(TEXT), nbformat.v4.new_code_cell(CODE)]
    cells.append(nbformat.v4.new_code_cell("y = 2", metadata={"tags": ["hide-input"]}))
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    jupytext.write(notebook, source, fmt="md:myst")
    script.store([])
    return source


def edit_stored(source, change, later=True):
    stored = source.with_suffix(".ipynb")
    notebook = nbformat.read(stored, as_version=4)
    change(notebook.cells)
    nbformat.write(notebook, stored)
    age(stored if later else source)


def age(newer):
    """That file is the newer one, without a doubt."""
    for path in (newer.with_suffix(".md"), newer.with_suffix(".ipynb")):
        when = 2_000_000_000 if path == newer else 1_000_000_000
        os.utime(path, (when, when))


def call(script, monkeypatch, *arguments) -> str:
    """Run the script; with what it ended."""
    monkeypatch.setattr("sys.argv", ["notebooks.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        script.main()
    return str(ended.value.code)


def words(cells):
    cells[0].source = "Other words, and a formula $x^3$."


def code(cells):
    cells[1].source = "x = 3\nprint(x)"


def one_more(cells):
    cells.append(nbformat.v4.new_code_cell("z = 5"))


def one_less(cells):
    del cells[2]


def swapped(cells):
    cells[1], cells[2] = cells[2], cells[1]


def tags(cells):
    cells[1].metadata["tags"] = ["hide-output"]


EDITS = {
    edit.__name__: (f"an edit in the .ipynb: {what}", "the cell is edited as Jupyter would", edit)
    for edit, what in (
        (words, "other words"),
        (code, "other code"),
        (one_more, "a cell more"),
        (one_less, "a cell less"),
        (swapped, "two cells trade places"),
        (tags, "another tag"),
    )
}


@pytest.mark.parametrize("edit", cases("notebook", KEPT, EDITS))
def test_an_edit_in_the_ipynb_is_not_lost(script, pair, monkeypatch, edit):
    edit_stored(pair, edit)
    before = pair.with_suffix(".ipynb").read_bytes()
    for arguments in (["check"], ["store"], ["store", "tiny"]):
        told = call(script, monkeypatch, *arguments)
        assert "tiny.ipynb is newer than tiny.md" in told and "notebooks.py sync tiny`" in told
        assert pair.with_suffix(".ipynb").read_bytes() == before
    original = pair.read_bytes()
    monkeypatch.setattr("sys.argv", ["notebooks.py", "sync"])
    script.main()
    assert script.drifted() == [] and pair.with_suffix(".ipynb").read_bytes() == before
    assert (pairs.KEPT / "tiny.md").read_bytes() == original
    script.store([])
    assert script.drifted() == []


@fault("notebook", "an edit in the source", "a cell of the source is edited", KEPT)
def test_an_edit_in_the_source_keeps_the_other_outputs(script, pair, monkeypatch):
    pair.write_text(pair.read_text("utf-8").replace("x = 1", "x = 7"), "utf-8")
    age(pair)
    told = call(script, monkeypatch, "store")
    assert "tiny.md is newer than tiny.ipynb, they differ from cell 2 on" in told
    monkeypatch.setattr("sys.argv", ["notebooks.py", "sync", "tiny"])
    script.main()
    stored = nbformat.read(pair.with_suffix(".ipynb"), as_version=4)
    assert stored.cells[1].source == "x = 7\nprint(x)" and stored.cells[1].outputs == []
    assert stored.cells[2].outputs[0].text == "2\n" and (pairs.KEPT / "tiny.ipynb").exists()
    script.store([])
    assert script.drifted() == []


@fault("notebook", "edits on both sides", "each file is edited in another cell", "What is replaced is kept.")
def test_the_side_that_loses_is_kept(script, pair, monkeypatch):
    pair.write_text(pair.read_text("utf-8").replace("x = 1", "x = 7"), "utf-8")
    edit_stored(pair, words, later=False)
    ours = pair.read_bytes()
    monkeypatch.setattr("sys.argv", ["notebooks.py", "sync", "--from", "notebook"])
    script.main()
    assert "Other words" in pair.read_text("utf-8") and "x = 1" in pair.read_text("utf-8")
    assert (pairs.KEPT / "tiny.md").read_bytes() == ours


@fault(
    "notebook",
    "a clock that misleads",
    "the .ipynb is edited; a checkout then makes the source newer",
    "The file that git finds changed is the one that was edited.",
)
def test_git_knows_better_than_the_clock(script, pair, monkeypatch):
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *arguments], cwd=pair.parent, check=True)
    edit_stored(pair, words, later=False)
    assert "tiny.ipynb is newer than tiny.md" in call(script, monkeypatch, "check")


@fault("notebook", "an edit while the notebook runs", "the .ipynb changes during the run", "Its outputs are not stored.")
def test_an_edit_during_the_run_is_not_lost(script, pair, monkeypatch):
    execute = script.execute

    async def interrupted(source):
        edit_stored(pair, words)
        return await execute(source)

    monkeypatch.setattr(script, "execute", interrupted)
    assert call(script, monkeypatch, "store") == "tiny: was edited while it ran; its outputs are not stored"
    assert "Other words" in pair.with_suffix(".ipynb").read_text("utf-8")


DAMAGED = {
    "half": ("a notebook cut in half", "its second half is missing", lambda data: data[: len(data) // 2]),
    "empty": ("an empty notebook", "it holds nothing", lambda data: b""),
    "five": ("a notebook that is a number", "it holds `5`", lambda data: b"5"),
    "list": ("a notebook that is a list", "it holds `[]`", lambda data: b"[]"),
    "object": ("a notebook without cells", "it holds `{}`", lambda data: b"{}"),
    "conflict": (
        "a notebook in conflict",
        "git's marks are in it",
        lambda data: b"<<<<<<< HEAD\n" + data + b"=======\n",
    ),
    "zeros": ("a notebook of zeros", "a crash left zeros", lambda data: bytes(len(data))),
    "brackets": ("a notebook of 100,000 brackets", "it holds them", lambda data: b"[" * 100_000),
}


@pytest.mark.parametrize("damage", cases("notebook", "One line names it; it stays as it is.", DAMAGED))
def test_a_damaged_notebook_is_named(script, pair, monkeypatch, damage):
    stored = pair.with_suffix(".ipynb")
    stored.write_bytes(damage(stored.read_bytes()))
    before = stored.read_bytes()
    for action in ("check", "store", "sync"):
        told = call(script, monkeypatch, action)
        assert told.startswith(f"{stored}: is no whole notebook: ") and "\n" not in told
    assert stored.read_bytes() == before


SOURCES = {
    "header": ("a source whose header is broken", "a bracket in its YAML", b"---\nkernelspec: [\n---\n\ntext\n"),
    "bytes": ("a source that is no UTF-8", "a byte 0xff", b"---\nkernelspec: {}\n---\n\n\xff\n"),
}


@pytest.mark.parametrize("content", cases("notebook", "One line names it; nothing is stored.", SOURCES))
def test_a_damaged_source_is_named(script, pair, monkeypatch, content):
    pair.write_bytes(content)
    before = pair.with_suffix(".ipynb").read_bytes()
    told = call(script, monkeypatch, "store")
    assert told.startswith(f"{pair}: cannot be read as a MyST notebook: ") and "\n" not in told
    assert pair.with_suffix(".ipynb").read_bytes() == before


@pytest.mark.parametrize("path", NOTEBOOKS[:3], ids=lambda path: path.stem)
def test_taking_an_edit_over_changes_nothing_else_in_a_chapter(path, script):
    """Captions, tags and the order of options stay as they are written."""
    source = script.SOURCES / path.name
    source.write_bytes(path.read_bytes())
    source.with_suffix(".ipynb").write_bytes(path.with_suffix(".ipynb").read_bytes())

    def edit(cells):
        last = [cell for cell in cells if cell.cell_type == "code"][-1]
        last.source += "\n# edited"

    edit_stored(source, edit)
    pairs.sync(source)
    old, new = (text.read_text("utf-8").splitlines() for text in (path, source))
    assert [line for line in new if line not in old] == ["# edited"] and len(new) == len(old) + 1
