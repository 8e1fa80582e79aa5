"""Both languages say the same: structure, formulas and figures; stored notebooks are clean."""

import ast
import asyncio
import base64
import importlib.util
import io
import json
import re
from collections import Counter

import jupytext
import nbformat
import pytest
from PIL import Image
from prose import NOTEBOOKS, PAGES, PERSIAN, ROOT, Block, blocks

from hw2lib.bilingual import EDITIONS

MAX_BYTES = 4_000_000  # sheets of network outputs, in two languages, are what takes the room
STORED = [path.with_suffix(".ipynb") for path in NOTEBOOKS]
CODE_WIDTH = 88  # characters of a line of code that the page shows without scrolling
# What a cell may print, by chapter, with the reason; everything else is shown by table, facts or a figure.
MAY_PRINT: dict[str, int] = {}
MATH_FENCE = re.compile(r"^(`{3,})\{math\}\n(.*?)^\1\s*?$", re.M | re.S)
REFERENCE = re.compile(r"\{(eq|numref|cite(?::[a-z]+)?|doc|ref)\}`([^`]+)`")
LABEL = re.compile(r"^:(?:label|name):\s*(\S+)|^\(([\w.-]+)\)=$", re.M)
DIRECTIVE = re.compile(r"^[:`]{3,}\{([a-z-]+)\}", re.M)


def name(path):
    return str(path.relative_to(ROOT))


def squeeze(formula: str) -> str:
    return " ".join(formula.split())


def facts(text: str) -> dict[str, object]:
    """What a block and its twin must have in common."""
    formulas = []
    for _, body in MATH_FENCE.findall(text):
        formulas.append("\n".join(line for line in body.splitlines() if not line.startswith(":")))
    without = re.sub(r"`[^`\n]*`", "", MATH_FENCE.sub("", text))
    formulas += re.findall(r"\$\$(.*?)\$\$", without, re.S)
    formulas += re.findall(r"\$([^$]+)\$", re.sub(r"\$\$.*?\$\$", "", without, flags=re.S))
    return {
        "headings": [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)],
        "labels": [a or b for a, b in LABEL.findall(text)],
        "directives": DIRECTIVE.findall(text),
        "references": Counter(REFERENCE.findall(text)),
        "formulas": Counter(squeeze(f) for f in formulas),
    }


def differences(where: str, fa: str, en: str) -> list[str]:
    ours, theirs = facts(fa), facts(en)
    return [f"{where}: {key} differ: {ours[key]} | {theirs[key]}" for key in ours if ours[key] != theirs[key]]


def text_faults(block: Block) -> list[str]:
    """Everything in which the two languages of a cell's words part, those of ``Text(fa, en)``."""
    found = []
    for node in ast.walk(ast.parse(block.text)):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Text":
            continue
        where = f"{block.path.name}:{block.line + node.lineno - 1}"
        named = {word.arg: word.value for word in node.keywords}
        words = dict(zip(("fa", "en"), node.args, strict=False)) | named
        if set(words) != {"fa", "en"}:
            found.append(f"{where}: words in one language")
            continue
        fa, en = ("".join(_strings(words[lang])) for lang in ("fa", "en"))
        if not PERSIAN.search(fa) or PERSIAN.search(en) or not re.search("[A-Za-z]", en):
            found.append(f"{where}: not Persian and then English: {fa} | {en}")
        found += differences(where, fa, en)
    return found


def _strings(node: ast.AST) -> list[str]:
    """The constant strings of an expression, also of an f-string."""
    parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return [part for part in parts if isinstance(part, str)]


def caption_faults(block: Block) -> list[str]:
    """Everything in which the captions of a figure part."""
    fa, en = (block.captions.get(lang, "") for lang in ("fa", "en"))
    if not PERSIAN.search(fa) or PERSIAN.search(en) or not en:
        return [f"{block.where}: no caption in each language"]
    return differences(block.where, fa, en)


def pair_faults(path) -> list[str]:
    """Everything in which the two languages of a source part."""
    found, sequence = [], blocks(path)
    expected = None
    for k, block in enumerate(sequence):
        if block.kind == "code":
            found += text_faults(block)
            if block.language:
                found.append(f"{block.where}: a cell stands once, for both languages")
            if block.figure:
                found += caption_faults(block)
        elif block.language == "fa":
            twin = sequence[k + 1] if k + 1 < len(sequence) else None
            if twin is None or twin.language != "en" or twin.kind != "prose":
                found.append(f"{block.where}: no English prose right after it")
                continue
            expected = twin
            found += differences(block.where, block.text, twin.text)
        elif block.language == "en":
            if block is not expected:
                found.append(f"{block.where}: no Persian prose right before it")
        else:
            words = re.sub(r"^([:`]{3,})\{.*?^\1\s*?$", "", block.text, flags=re.M | re.S)
            if re.search(r"[^\W\d_]{2,}", words):
                found.append(f"{block.where}: prose without a language")
    return found


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=name)
def test_languages_stay_together(path):
    assert {"fa", "en"} <= {block.language for block in blocks(path)}
    assert pair_faults(path) == []


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=name)
def test_each_block_is_in_its_language(path):
    for block in blocks(path):
        text = re.sub(r"`{3,}.*?`{3,}|`[^`]*`|\$[^$]*\$|\{[a-z]+\}", "", block.text, flags=re.S)
        persian, latin = len(PERSIAN.findall(text)), len(re.findall("[A-Za-z]", text))
        if block.kind == "prose" and block.language == "fa":
            assert persian > latin, block.where
        elif block.kind == "prose":
            assert persian == 0, block.where


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_cells_show_instead_of_printing_and_fit_the_page(path):
    code = [block for block in blocks(path) if block.kind == "code"]
    for block in code:
        for k, line in enumerate(block.text.splitlines()):
            assert len(line) <= CODE_WIDTH, f"{path.name}:{block.line + k}: {len(line)} characters"
        assert "lang=" not in block.text, f"{block.where}: a figure is drawn in both languages at once"
    printed = sum(len(re.findall(r"\bprint\(", block.text)) for block in code)
    assert printed == MAY_PRINT.get(path.stem[:2], 0)


TWIN = (
    '+++ {"tags": ["lang-fa"]}\n# الف\n\n$x_1$ و {eq}`eq-a`\n\n'
    '+++ {"tags": ["lang-en"]}\n# A\n\n$x_1$ and {eq}`eq-a`\n'
)
ONCE = """```{code-cell}
---
mystnb:
  figure:
    name: fig-a
    caption:
      fa: شکل {eq}`eq-a` با $x$
      en: The figure of {eq}`eq-a` with $x$
tags: [hide-input]
---
f(Text("یک $d$", "one $d$"), title=Text(fa="دو", en="two"))
```
"""


@pytest.mark.parametrize(
    "text",
    [
        ONCE.replace("with $x$", "with $y$"),
        ONCE.replace("of {eq}`eq-a`", ""),
        ONCE.replace("      en: The figure of {eq}`eq-a` with $x$\n", ""),
        ONCE.replace("The figure", "شکل"),
        ONCE.replace("one $d$", "one $D$"),
        ONCE.replace(', en="two"', ""),
        ONCE.replace('"two"', '"دو"'),
        ONCE.replace('"دو"', '"two"'),
        ONCE.replace(', "one $d$"', ""),
        TWIN.replace("# A", "## A"),
        TWIN.replace("$x_1$ and", "$x_2$ and"),
        TWIN.replace("and {eq}`eq-a`", "and {eq}`eq-b`"),
        TWIN.replace("# A", "(sec-a)=\n# A"),
        TWIN.replace("# A", "# A\n\n$$y$$\n"),
        TWIN.replace("lang-en", "lang-fa"),
        TWIN + "\n+++\nA sentence of no language.\n",
        TWIN + ONCE.replace("[hide-input]", "[lang-fa]"),
    ],
)
def test_a_part_that_strays_is_found(text, tmp_path, monkeypatch):
    monkeypatch.setattr("prose.ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text(TWIN + ONCE, "utf-8")
    assert pair_faults(path) == []
    path.write_text(text, "utf-8")
    assert pair_faults(path)


def load_notebooks_script():
    spec = importlib.util.spec_from_file_location("book_notebooks", ROOT / "book" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stored_notebooks_match_their_sources():
    assert NOTEBOOKS
    assert load_notebooks_script().drifted() == []
    extra = set((ROOT / "notebooks").glob("*.ipynb")) - set(STORED)
    assert not extra, "stored notebooks without a source"


@pytest.fixture
def one_notebook(tmp_path, monkeypatch):
    """The notebook script, looking at a folder with one small source."""
    monkeypatch.setenv("HW2_DATA", str(tmp_path))
    source = tmp_path / "tiny.md"
    cell = nbformat.v4.new_code_cell("import os\nprint(os.environ.get('HW2_DATA'))")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    jupytext.write(notebook, source, fmt="md:myst")
    script = load_notebooks_script()
    monkeypatch.setattr(script, "SOURCES", tmp_path)
    return script, source


def test_storing_leaves_real_data_out_and_drift_is_noticed(one_notebook):
    script, source = one_notebook
    assert script.drifted() == ["tiny"]  # not stored yet
    script.store([])
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert stored.cells[0].outputs[0].text == "None\n"
    assert script.drifted() == []
    source.write_text(source.read_text("utf-8").replace("print(", "print( "), "utf-8")
    assert script.drifted() == ["tiny"]


def test_real_data_are_looked_for_from_where_the_script_is_called(one_notebook, tmp_path, monkeypatch):
    script, _ = one_notebook
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("HW2_DATA", tmp_path.name)
    monkeypatch.setattr(script, "FRESH", tmp_path / "fresh")
    script.run([])
    ran = nbformat.read(tmp_path / "fresh" / "tiny.ipynb", as_version=4)
    assert ran.cells[0].outputs[0].text == f"{tmp_path.resolve()}\n"


def test_two_notebooks_run_at_once_and_the_longest_begin(one_notebook, tmp_path, monkeypatch):
    script, source = one_notebook
    monkeypatch.setattr(script, "FRESH", tmp_path / "fresh")
    begun, running, most = [], set(), 0

    async def execute(source):
        nonlocal most
        begun.append(source.stem)
        running.add(source.stem)
        most = max(most, len(running))
        await asyncio.sleep(0.01)
        running.remove(source.stem)
        return nbformat.v4.new_notebook()

    monkeypatch.setattr(script, "execute", execute)
    monkeypatch.setattr(script, "AT_ONCE", 2)
    names = ["01_short", "02_short", f"{script.LONG[0]}_long", f"{script.LONG[1]}_long"]
    for name in names:
        source.with_stem(name).write_text("", "utf-8")
    source.unlink()
    script.run([])
    assert most == 2 and begun == [*names[2:], *names[:2]]
    assert sorted(path.stem for path in (tmp_path / "fresh").iterdir()) == names


def test_a_failing_cell_ends_the_program_with_its_error(one_notebook, tmp_path, monkeypatch, capsys):
    """Also while another notebook runs, which is stopped."""
    script, source = one_notebook
    monkeypatch.setattr(script, "FRESH", tmp_path / "fresh")
    for name, code in (("long", "import time; time.sleep(300)"), ("wrong", "left = 1\nleft / 0")):
        text = source.read_text("utf-8").replace("print(os.environ.get('HW2_DATA'))", code)
        source.with_stem(name).write_text(text, "utf-8")
    for action in (lambda: script.run(["long", "wrong"]), lambda: script.store(["wrong"])):
        with pytest.raises(SystemExit) as ended:
            action()
        assert "left / 0" in ended.value.code and "ZeroDivisionError" in ended.value.code
        assert capsys.readouterr().out == "wrong  failed\n"
    assert not list((tmp_path / "fresh").iterdir()) and not list(tmp_path.glob("*.ipynb"))


@pytest.mark.parametrize(("alpha", "mode"), [(255, "RGB"), (100, "RGBA")])
def test_stored_pictures_are_recompressed_without_loss(alpha, mode):
    picture = Image.effect_noise((40, 30), 60).convert("RGBA")
    picture.putalpha(alpha)
    before = io.BytesIO()
    picture.save(before, "PNG", compress_level=0)
    png = base64.b64encode(before.getvalue()).decode()
    data = {"image/png": png, "text/plain": "<Figure>", EDITIONS: {"fa": {"image/png": png}}}
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data)])
    load_notebooks_script().recompress(nbformat.v4.new_notebook(cells=[cell]))
    for bundle in (cell.outputs[0].data, cell.outputs[0].data[EDITIONS]["fa"]):
        stored = base64.b64decode(bundle["image/png"])
        after = Image.open(io.BytesIO(stored))
        assert after.mode == mode
        assert after.convert("RGBA").tobytes() == picture.tobytes()
        assert len(stored) < len(before.getvalue())
    assert cell.outputs[0].data["text/plain"] == "<Figure>"


@pytest.mark.parametrize("path", STORED, ids=name)
def test_stored_notebook_is_clean(path):
    assert path.stat().st_size < MAX_BYTES
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"]]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "not run in one go"
    assert not any(cell.get("attachments") for cell in cells), "an image inside a text cell"
    for cell in code:
        where = f"{path.name}, cell {cell['execution_count']}"
        tags = cell["metadata"].get("tags", [])
        drawn = "figure" in cell["metadata"].get("mystnb", {})
        for output in cell["outputs"]:
            assert output["output_type"] != "error", f"{where}: an error is stored"
            assert output.get("name") != "stderr", f"{where}: warnings are stored: {output['text']}"
            images = [mime for mime in output.get("data", {}) if mime.startswith("image/")]
            assert drawn or not images, f"{where}: an image without a caption"
            text = json.dumps([output.get("text"), output.get("data", {}).get("text/plain")])
            for trace in ("real images", "shared/data", "capsule/t", str(ROOT)):
                assert trace not in text, f"{where}: made from real data or tied to this machine: {trace}"
        assert "nbval-skip" not in tags, f"{where}: nbval would not run it"
        assert drawn or "nbval-ignore-output" not in tags, f"{where}: nbval would not compare it"
