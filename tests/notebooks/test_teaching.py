"""A chapter teaches: what a reader will be able to do, a schematic, a summary, exercises with checked solutions."""

import ast
import json
import re
from collections import Counter

import pytest
from prose import NOTEBOOKS, Block, blocks

WORDS = {
    "fa": {
        "opening": "پس از این فصل می‌توانید",
        "summary": "خلاصه",
        "exercises": "تمرین‌ها",
        "solution": "پاسخ",
        "kinds": ("با قلم و کاغذ", "با کد", "دام"),
    },
    "en": {
        "opening": "After this chapter you can",
        "summary": "Summary",
        "exercises": "Exercises",
        "solution": "Solution",
        "kinds": ("Pencil and paper", "With code", "A trap"),
    },
}
DIRECTIVE = re.compile(r"^:::\{(admonition|dropdown)\} *(.*?)\n(.*?)^:::\s*?$", re.M | re.S)
DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٫", "0123456789.")
DECIMAL = re.compile(r"\d+\.\d+")


def text(sequence: list[Block], lang: str) -> str:
    """The prose of one language, its cells one below the other."""
    return "\n\n".join(b.text.strip() for b in sequence if b.kind == "prose" and b.language == lang) + "\n"


def section(prose: str, title: str) -> str:
    """What stands under a heading of the second level."""
    _, _, after = prose.partition(f"\n## {title}\n")
    return re.split(r"^## ", after, flags=re.M)[0]


def decimals(solution: str) -> Counter:
    return Counter(DECIMAL.findall(solution.translate(DIGITS)))


def checks(sequence: list[Block]) -> list[Block]:
    """The folded code cells after the heading of the exercises."""
    starts = [k for k, b in enumerate(sequence) if f"## {WORDS['en']['exercises']}\n" in b.text]
    cells = sequence[starts[-1] :] if starts else []
    return [b for b in cells if b.kind == "code" and "hide-cell" in b.tags]


def asserts(block: Block) -> int:
    return sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(block.text)))


def shown(stored: list[dict], sources: set[str]) -> set[str]:
    """All decimal numbers in the English outputs of the cells with these sources."""
    found = [
        output.get("data", {}).get("text/plain", "")
        for cell in stored
        if "".join(cell["source"]).strip() in sources
        for output in cell.get("outputs", [])
    ]
    return set(DECIMAL.findall("\n".join("".join(part) for part in found)))


def exercise_faults(prose: str, words: dict, printed: set[str]) -> list[str]:
    """What the section of exercises of one language lacks."""
    parts = DIRECTIVE.findall(section(prose, words["exercises"]))
    tasks = [title for kind, title, _ in parts if kind == "admonition"]
    found = [f"no exercise «{kind}»" for kind in words["kinds"] if not any(kind in title for title in tasks)]
    found += [f"{title}: of no kind" for title in tasks if not any(kind in title for kind in words["kinds"])]
    if [title for kind, title, _ in parts if kind == "dropdown"] != [words["solution"]] * len(tasks):
        found.append("not one folded solution for each exercise")
    if [kind for kind, _, _ in parts] != ["admonition", "dropdown"] * len(tasks):
        found.append("a solution does not stand right after its exercise")
    given: Counter = Counter()
    for kind, _, body in parts:
        if kind == "admonition":
            given = decimals(body)
        else:
            unseen = set(decimals(body)) - set(given) - printed
            found += [f"{number}: shown by no check" for number in sorted(unseen)]
    return found


def faults(sequence: list[Block], stored: list[dict]) -> list[str]:
    """Everything that a chapter lacks of the form of the book's chapters."""
    found = []
    tested = checks(sequence)
    if not any(map(asserts, tested)):
        found.append("no folded cell with an assert after the exercises")
    printed = shown(stored, {b.text.strip() for b in tested})
    abilities = set()
    for lang, words in WORDS.items():
        prose = text(sequence, lang)
        opening = re.split(r"^## ", prose, flags=re.M)[0]
        goals = [body for _, title, body in DIRECTIVE.findall(opening) if title == words["opening"]]
        abilities.add(len(re.findall(r"^- ", "\n".join(goals), re.M)))
        if len(goals) != 1 or not abilities <= {3, 4, 5}:
            found.append(f"{lang}: no opening with three to five abilities")
        headings = re.findall(r"^## (.*)$", prose, re.M)
        if headings[-2:] != [words["summary"], words["exercises"]]:
            found.append(f"{lang}: does not end with a summary and exercises")
        if len(section(prose, words["summary"]).split()) < 40:
            found.append(f"{lang}: the summary says nothing")
        found += [f"{lang}: {fault}" for fault in exercise_faults(prose, words, printed)]
    if len(abilities) > 1:
        found.append("not the same number of abilities in both languages")
    solutions = [
        [decimals(body) for kind, _, body in DIRECTIVE.findall(text(sequence, lang)) if kind == "dropdown"]
        for lang in WORDS
    ]
    if solutions[0] != solutions[1]:
        found.append("the solutions of the two languages differ in their numbers")
    if not any(b.figure.get("name", "").startswith("fig-schematic-") for b in sequence):
        found.append("no schematic")
    return found


def cells(path) -> list[dict]:
    return json.loads(path.with_suffix(".ipynb").read_text("utf-8"))["cells"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter_teaches(path):
    assert faults(blocks(path), cells(path)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("پس از این فصل می‌توانید", "در این فصل", "fa: no opening"),
        ("- say what", "and say what", "not the same number of abilities"),
        ("## Summary", "## The end", "en: does not end with a summary"),
        ("۱. با قلم و کاغذ", "۱. تمرین", "no exercise «با قلم و کاغذ»"),
        ("3. A trap", "3. With code", "no exercise «A trap»"),
        ("3. A trap", "3. A riddle", "3. A riddle: of no kind"),
        (":::{dropdown} Solution\n", ":::{dropdown} Hint\n", "not one folded solution"),
        ("-4.1296", "-4.1297", "4.1297: shown by no check"),
        ("$-4.1296$ می‌شود", "همان می‌شود", "differ in their numbers"),
        ("assert ", "bool, ", "no folded cell with an assert"),
        ("hide-cell", "hide-input", "no folded cell with an assert"),
        ("fig-schematic-", "fig-", "no schematic"),
    ],
)
def test_what_is_missing_is_found(old, new, fault, tmp_path, monkeypatch):
    """Each part of chapter 1, taken away."""
    monkeypatch.setattr("prose.ROOT", tmp_path)
    chapter = NOTEBOOKS[0]
    assert old in chapter.read_text("utf-8")
    path = tmp_path / "page.md"
    path.write_text(chapter.read_text("utf-8").replace(old, new), "utf-8")
    assert fault in "\n".join(faults(blocks(path), cells(chapter)))
