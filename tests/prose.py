"""Read the bilingual sources as blocks with line numbers, and their Persian as strings."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.md"))
PAGES = sorted((ROOT / "book").glob("*.md"))
BREAK = re.compile(r"^\+\+\+[ \t]*(\{.*\})?[ \t]*$")
FENCE = re.compile(r"^(`{3,})\{code-cell\}")
PERSIAN = re.compile("[\u0600-\u06ff]")


@dataclass(frozen=True)
class Block:
    """A prose block or a code cell of a source; ``line`` is where its text starts, from 1."""

    path: Path
    line: int
    kind: str
    tags: tuple[str, ...]
    text: str
    figure: dict[str, Any] = field(default_factory=dict)

    @property
    def captions(self) -> dict[str, str]:
        """The figure's captions by language, none where one stands for both."""
        caption = self.figure.get("caption", {})
        return {} if isinstance(caption, str) else caption

    @property
    def language(self) -> str | None:
        return next((t.removeprefix("lang-") for t in self.tags if t.startswith("lang-")), None)

    @property
    def where(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """The blocks of a MyST notebook or page that are not empty, in order."""
    lines = path.read_text("utf-8").splitlines()
    start = lines.index("---", 1) + 1 if lines[0] == "---" else 0
    found: list[Block] = []
    tags: tuple[str, ...] = ()
    first, k = start, start

    def flush(end: int) -> None:
        if "".join(lines[first:end]).strip():
            found.append(Block(path, first + 1, "prose", tags, "\n".join(lines[first:end])))

    while k < len(lines):
        opening, breaking = FENCE.match(lines[k]), BREAK.match(lines[k])
        if opening:
            flush(k)
            end = lines.index(opening[1], k + 1)
            found.append(code_block(path, k + 1, lines[k + 1 : end]))
            tags, k = (), end
        elif breaking:
            flush(k)
            tags = tuple(json.loads(breaking[1] or "{}").get("tags", ()))
        if opening or breaking:
            first = k + 1
        k += 1
    flush(len(lines))
    return found


def code_block(path: Path, line: int, lines: list[str]) -> Block:
    """A code cell; its options stand between ``---`` lines or as ``:key: value``."""
    if lines and lines[0] == "---":
        end = lines.index("---", 1)
        options, body = yaml.safe_load("\n".join(lines[1:end])), end + 1
    else:
        body = next((k for k, text in enumerate(lines) if not text.startswith(":")), len(lines))
        options = yaml.safe_load("\n".join(text[1:] for text in lines[:body])) or {}
    figure = options.get("mystnb", {}).get("figure", {})
    return Block(
        path, line + body + 1, "code", tuple(options.get("tags", ())), "\n".join(lines[body:]), figure
    )


def yaml_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and value of every scalar of a YAML or JSON file."""

    def walk(node: Any) -> Iterator[tuple[int, str]]:
        if isinstance(node, yaml.ScalarNode):
            yield node.start_mark.line + 1, node.value
        elif isinstance(node, yaml.SequenceNode):
            for child in node.value:
                yield from walk(child)
        else:
            for pair in node.value:
                for child in pair:
                    yield from walk(child)

    yield from walk(yaml.compose(path.read_text("utf-8")))


def python_strings(text: str, line: int = 1) -> Iterator[tuple[int, str]]:
    """Line and value of every string in Python source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield line + node.lineno - 1, node.value


def persian_texts() -> Iterator[tuple[Path, int, str]]:
    """File, line and text of all Persian that a reader may see."""
    for path in [*NOTEBOOKS, *PAGES]:
        for block in blocks(path):
            if block.kind == "prose":
                strings = [(block.line, block.text)] if block.language != "en" else []
            else:
                strings = list(python_strings(block.text, block.line))
                strings += [(block.line, caption) for caption in block.captions.values()]
            yield from ((path, line, text) for line, text in strings if PERSIAN.search(text))
    data = [
        "book/claims.yml",
        "book/glossary.yml",
        "book/fault_kinds.yml",
        "_config.yml",
        "_toc.yml",
        "book/config.en.yml",
    ]
    for name in [*data, "book/_ext/interface_fa.json"]:
        path = ROOT / name
        yield from ((path, line, text) for line, text in yaml_strings(path) if PERSIAN.search(text))
    for path in [*sorted((ROOT / "hw2lib").rglob("*.py")), ROOT / "book/_ext/claimbox.py"]:
        strings = python_strings(path.read_text("utf-8"))
        yield from ((path, line, text) for line, text in strings if PERSIAN.search(text))
