"""A notebook's two files, MyST source and .ipynb: which was edited, and how the other takes it over."""

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "_build" / "replaced"


def read_source(source: Path) -> nbformat.NotebookNode:
    """The notebook of a source; the program ends with a line where it cannot be read."""
    try:
        return jupytext.read(source, fmt="md:myst")
    except Exception as error:  # of YAML, of the file system, of the encoding
        sys.exit(f"{source}: cannot be read as a MyST notebook: {str(error).splitlines()[0]}")


def read_stored(stored: Path) -> nbformat.NotebookNode:
    """A stored notebook; the program ends with a line where it is damaged, half-written or in conflict."""
    try:
        notebook = nbformat.read(stored, as_version=4)
        nbformat.validate(notebook)
        return notebook
    except Exception as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0][:100]
        sys.exit(f"{stored}: is no whole notebook: {problem}; remove it, or take it from git")


def write_stored(notebook: nbformat.NotebookNode, stored: Path) -> None:
    """Write an .ipynb, whole or not at all."""
    part = stored.with_name(f".{stored.name}.part")
    try:
        nbformat.write(notebook, part)
        os.replace(part, stored)
    except OSError as error:
        sys.exit(f"{stored}: cannot be written: {error.strerror or error}")
    finally:
        part.unlink(missing_ok=True)


def facts(notebook: nbformat.NotebookNode) -> list[tuple]:
    """What both files of a pair hold: each cell's kind, text, tags and caption."""
    return [
        (c.cell_type, c.source, tuple(c.metadata.get("tags", ())), c.metadata.get("mystnb"))
        for c in notebook.cells
    ]


def differs(source: Path) -> bool:
    """Whether the two files of a pair hold other cells; a source without .ipynb was never stored."""
    stored = source.with_suffix(".ipynb")
    return stored.exists() and facts(read_stored(stored)) != facts(read_source(source))


def newer(source: Path) -> Path:
    """The file of a pair that was edited: the only one that git finds changed, or the one written last."""
    pair = [source, source.with_suffix(".ipynb")]
    changed = [path for path in pair if _changed_since_commit(path)]
    return changed[0] if len(changed) == 1 else max(pair, key=lambda path: path.stat().st_mtime_ns)


def _changed_since_commit(path: Path) -> bool:
    command = ["git", "-C", str(path.parent), "diff", "--quiet", "HEAD", "--", path.name]
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 1
    except (OSError, subprocess.SubprocessError):  # no git here: the clock decides
        return False


def difference(source: Path) -> str:
    """One line for people: which side was edited, where, and what to call."""
    edited = newer(source)
    other = source if edited != source else source.with_suffix(".ipynb")
    ours, theirs = (facts(read_source(source)), facts(read_stored(source.with_suffix(".ipynb"))))
    blocks = difflib.SequenceMatcher(None, [*map(str, theirs)], [*map(str, ours)], False).get_opcodes()
    first = next((a for kind, a, *_ in blocks if kind != "equal"), 0)
    return (
        f"{edited.name} is newer than {other.name}, they differ from cell {first + 1} on: "
        f"`python book/notebooks.py sync {source.stem}` takes the edit over"
    )


def sync(source: Path, edited: Path | None = None) -> str:
    """Take the edit of one file of a pair over into the other.

    What is replaced is kept in ``_build/replaced``.

    Args:
        source: the MyST source.
        edited: the file that is right; by default the one that :func:`newer` finds.

    Returns:
        A line for people.
    """
    if not differs(source):
        return f"{source.stem}: the same"
    edited, stored = edited or newer(source), source.with_suffix(".ipynb")
    other = stored if edited == source else source
    KEPT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(other, KEPT / other.name)
    if edited == source:
        write_stored(with_outputs(read_source(source), read_stored(stored)), stored)
    else:
        text = _edited_text(source, read_stored(stored))
        part = source.with_name(f".{source.name}.part")
        part.write_text(text, "utf-8", newline="\n")
        os.replace(part, source)
    return f"{source.stem}: {other.name} takes over the edit; as it was it is in {KEPT / other.name}"


def with_outputs(notebook: nbformat.NotebookNode, old: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The cells of a source, with ids and outputs from a stored notebook where a cell is the same."""
    keys = [[(c.cell_type, c.source) for c in cells] for cells in (old.cells, notebook.cells)]
    for match in difflib.SequenceMatcher(None, *keys, autojunk=False).get_matching_blocks():
        for a, b in zip(
            old.cells[match.a : match.a + match.size],
            notebook.cells[match.b : match.b + match.size],
            strict=True,
        ):
            b.id = a.id
            if b.cell_type == "code":
                b.outputs, b.execution_count = a.outputs, a.execution_count
    notebook.metadata = old.metadata
    return notebook


def _edited_text(source: Path, stored: nbformat.NotebookNode) -> str:
    """The text of a source with the cells of a stored notebook; only what was edited changes, if possible."""
    before, text, at = read_source(source), source.read_text("utf-8"), 0
    wanted = facts(stored)
    if [fact[0] for fact in facts(before)] == [fact[0] for fact in wanted]:
        for cell, edited in zip(before.cells, stored.cells, strict=True):
            begin = text.find(cell.source, at)
            if begin < 0:
                break
            text = text[:begin] + edited.source + text[begin + len(cell.source) :]
            at = begin + len(edited.source)
        if facts(jupytext.reads(text, fmt="md:myst")) == wanted:
            return text
    stored.metadata = before.metadata
    return jupytext.writes(stored, fmt="md:myst")
