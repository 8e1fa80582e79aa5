"""Run the notebooks: store their outputs, run copies, or check that the pairs agree.

python book/notebooks.py store [NAME...]   execute the sources and store the .ipynb beside them
python book/notebooks.py run [NAME...]     execute copies into _build/notebooks
python book/notebooks.py check             fail if a source and its .ipynb differ, and say which is newer
python book/notebooks.py sync [NAME...]    take the newer one's edit over into the other
                                           (--from source or notebook: the edit of that one)
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

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from pairs import difference, differs, read_source, read_stored, sync, write_stored
from PIL import Image

from hw2lib.bilingual import EDITIONS
from hw2lib.waiting import wait_passively

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "notebooks"
FRESH = ROOT / "_build" / "notebooks"
CELL_SECONDS = 600
Result = TypeVar("Result")
AT_ONCE = min(2, os.cpu_count() or 1)  # more would have no cores of their own for their threads
LONG = ("09", "10")  # a long notebook that comes last runs alone


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
    notebook = read_source(source)
    stored = source.with_suffix(".ipynb")
    if stored.exists():
        old = read_stored(stored)
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
    """Execute and store; committed outputs never show real data, so HW2_DATA is dropped.

    Nothing is stored over an edit: the two files of each pair have to agree, and stay as they are meanwhile.
    """
    os.environ.pop("HW2_DATA", None)
    if lines := [difference(source) for source in sources(names) if differs(source)]:
        sys.exit("\n".join(["nothing is run: a pair differs", *lines]))
    for source in sources(names):
        pair = source, source.with_suffix(".ipynb")
        before = [path.read_bytes() if path.exists() else None for path in pair]
        notebook = wait_for(execute(source))
        recompress(notebook)
        if before != [path.read_bytes() if path.exists() else None for path in pair]:
            sys.exit(f"{source.stem}: was edited while it ran; its outputs are not stored")
        write_stored(notebook, pair[1])


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


def drifted() -> list[str]:
    """Names of the notebooks whose source and .ipynb differ in a cell's kind, text, tags or caption."""
    return [s.stem for s in sources([]) if not s.with_suffix(".ipynb").exists() or differs(s)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("store", "run", "check", "sync"))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--from", dest="side", choices=("source", "notebook"), help="the side that is right")
    options = parser.parse_args()
    wait_passively()  # for the kernels, which inherit it
    if options.action == "check":
        if names := drifted():
            there = [source for source in sources(names) if source.with_suffix(".ipynb").exists()]
            new = sorted(set(names) - {source.stem for source in there})
            lines = [f"{name}: not stored yet: `python book/notebooks.py store {name}`" for name in new]
            sys.exit("\n".join([*lines, *map(difference, there)]))
    elif options.action == "sync":
        for source in sources(options.names):
            sides = {"source": source, "notebook": source.with_suffix(".ipynb"), None: None}
            print(sync(source, sides[options.side]))
    else:
        {"store": store, "run": run}[options.action](options.names)


if __name__ == "__main__":
    main()
