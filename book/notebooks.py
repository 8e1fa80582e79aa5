"""Run the notebooks: store their outputs, run copies, or check that the pairs agree.

python book/notebooks.py store [NAME...]   execute the sources and store the .ipynb beside them
python book/notebooks.py run [NAME...]     execute copies into _build/notebooks
python book/notebooks.py check             fail if a source and its .ipynb have drifted apart
"""

import argparse
import asyncio
import base64
import io
import os
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from hw2lib.bilingual import EDITIONS
from hw2lib.waiting import wait_passively

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "notebooks"
FRESH = ROOT / "_build" / "notebooks"
CELL_SECONDS = 600
Result = TypeVar("Result")
AT_ONCE = min(2, os.cpu_count() or 1)  # more would have no cores of their own for their threads
LONG = ("08", "09")  # a long notebook that comes last runs alone


def sources(names: list[str]) -> list[Path]:
    """The source files of the named notebooks, all of them without names."""
    if not names:
        return sorted(SOURCES.glob("*.md"))
    paths = [SOURCES / f"{Path(name).stem}.md" for name in names]
    missing = [p.name for p in paths if not p.is_file()]
    if missing:
        sys.exit(f"notebooks/{missing[0]}: no such file")
    return paths


def read(source: Path) -> nbformat.NotebookNode:
    """The notebook of a source, with the cell ids of the stored one, so that diffs stay small."""
    notebook = jupytext.read(source, fmt="md:myst")
    stored = source.with_suffix(".ipynb")
    if stored.exists():
        old = nbformat.read(stored, as_version=4)
        if len(old.cells) == len(notebook.cells):
            for cell, before in zip(notebook.cells, old.cells, strict=True):
                cell.id = before.id
    return notebook


async def execute(source: Path) -> nbformat.NotebookNode:
    """Run a notebook from the folder it lives in.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = read(source)
    resources = {"metadata": {"path": str(SOURCES)}}
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,
        resources=resources,
        extra_arguments=["--log-level=ERROR"],  # without the kernel's remark on unencrypted local ports
    )
    started = time.perf_counter()
    try:
        await client.async_execute()
    except CellExecutionError:
        print(f"{source.stem}  failed", flush=True)
        raise
    print(f"{source.stem}  {time.perf_counter() - started:.0f} s", flush=True)
    notebook.metadata.pop("language_info", None)
    return notebook


def wait_for(work: Coroutine[None, None, Result]) -> Result:
    """What comes out of the work; a failing cell ends the program with its error."""
    try:
        return asyncio.run(work)
    except CellExecutionError as error:
        sys.exit(str(error))


def recompress(notebook: nbformat.NotebookNode) -> None:
    """Store the pictures in a tenth less room, pixel for pixel the same: history keeps every one of them."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            for bundle in (data, *data.get(EDITIONS, {}).values()):
                if png := bundle.get("image/png"):
                    picture = Image.open(io.BytesIO(base64.b64decode(png)))
                    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
                        picture = picture.convert("RGB")
                    file = io.BytesIO()
                    picture.save(file, "PNG", optimize=True)
                    bundle["image/png"] = base64.b64encode(file.getvalue()).decode()


def store(names: list[str]) -> None:
    """Execute and store; committed outputs never show real data, so HW2_DATA is dropped."""
    os.environ.pop("HW2_DATA", None)
    for source in sources(names):
        notebook = wait_for(execute(source))
        recompress(notebook)
        nbformat.write(notebook, source.with_suffix(".ipynb"))


def run(names: list[str]) -> None:
    """Execute copies, two at once; the tracked notebooks stay as they are."""
    if folder := os.environ.get("HW2_DATA"):
        os.environ["HW2_DATA"] = str(Path(folder).resolve())  # the notebooks run in a folder of their own
    FRESH.mkdir(parents=True, exist_ok=True)

    async def execute_all() -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def execute_copy(source: Path) -> None:
            async with free:
                nbformat.write(await execute(source), FRESH / f"{source.stem}.ipynb")

        in_order = sorted(sources(names), key=lambda source: not source.stem.startswith(LONG))
        copies = [asyncio.ensure_future(execute_copy(source)) for source in in_order]
        try:
            await asyncio.gather(*copies)
        finally:  # where one fails, the others are stopped
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)

    wait_for(execute_all())


def differences(source: Path) -> list[str]:
    """Where a source and the .ipynb beside it differ in a cell's kind, text, tags or caption, a line each."""
    stored = source.with_suffix(".ipynb")
    if not stored.exists():
        return [f"{stored.name} is not there"]

    def facts(cell: nbformat.NotebookNode) -> dict[str, object]:
        figure = dict(cell.metadata.get("mystnb", {}))
        tags = tuple(cell.metadata.get("tags", ()))
        return {"kind": cell.cell_type, "text": cell.source, "tags": tags, "figure": figure}

    ours, theirs = read(source).cells, nbformat.read(stored, as_version=4).cells
    found = [f"{len(ours)} cells and {len(theirs)}"] if len(ours) != len(theirs) else []
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        left, right = facts(a), facts(b)
        found += [
            f"block {number}, {name}:\n{left[name]}\n--- stored:\n{right[name]}"
            for name in left
            if left[name] != right[name]
        ]
    return found


def drifted() -> list[str]:
    """Names of the notebooks whose source and .ipynb differ."""
    return [source.stem for source in sources([]) if differences(source)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("store", "run", "check"))
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    wait_passively()  # for the kernels, which inherit it
    if options.action == "check":
        names = drifted()
        if names:
            sys.exit(f"source and stored notebook differ: {', '.join(names)}; run make rerun")
    else:
        {"store": store, "run": run}[options.action](options.names)


if __name__ == "__main__":
    main()
