"""What a notebook shows, in both languages: words, numbers, tables and short lists of facts.

A cell's output holds the English version in the ordinary formats, which JupyterLab, VS Code and
GitHub show, and the Persian one under :data:`EDITIONS`; each edition of the book keeps its own.
``text/plain`` is English and is what nbval compares: every number in it has been rounded by the
caller's format, so that another machine shows the same.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

LANGUAGES = ("fa", "en")
EDITIONS = "application/vnd.hw2.editions+json"
_PERSIAN = str.maketrans("0123456789.,", "۰۱۲۳۴۵۶۷۸۹٫٬")
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
# A left-to-right isolate keeps a sign at the left of its number in a line of Persian; a mark between
# a number and its per cent sign puts that sign at the number's left, where Persian has it.
_ISOLATE, _END, _RLM = "\u2066", "\u2069", "\u200f"


@dataclass(frozen=True)
class Text:
    """The same words in Persian and in English; both may hold Markdown and ``$…$`` where they are
    shown as such (tables, facts, claims), and no ``$…$`` in the Persian of a figure."""

    fa: str
    en: str


Words = str | Text  # a plain string is the same in both languages: a name, code, a formula

YES_NO = Text("بله", "yes"), Text("نه", "no")
# Every unit that a number may carry, by its English sign.
UNITS = {
    "ms": Text("میلی‌ثانیه", "ms"),
    "s": Text("ثانیه", "s"),
    "min": Text("دقیقه", "min"),
    "h": Text("ساعت", "h"),
    "MB": Text("مگابایت", "MB"),
    "GB": Text("گیگابایت", "GB"),
    "nats": Text("نات", "nats"),
    "bits": Text("بیت", "bits"),
    "bits/dim": Text("بیت بر بُعد", "bits per dimension"),
    "dB": Text("دسی‌بل", "dB"),
    "px": Text("پیکسل", "px"),
    "times": Text("برابر", "times"),
}


@dataclass(frozen=True)
class Number:
    """A number, rounded by a format of Python, with its unit.

    Attributes:
        value: the number, also of numpy or of a tensor without dimensions.
        format: such as ``.2f``, ``,``, ``.0%`` or ``.1e``; needed unless the number is an integer.
        unit: a key of :data:`UNITS`, or empty.
    """

    value: Any
    format: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.unit and self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r}: not in hw2lib.bilingual.UNITS")

    def text(self) -> str:
        """The rounded number as Python writes it, without its unit.

        Raises:
            ValueError: a number that is no integer has no format.
        """
        value = _unboxed(self.value)
        if value != value:
            return "nan"  # shown as a dash: pandas has it in place of what is missing
        if not self.format and not isinstance(value, int):
            raise ValueError(f"{value!r}: a number needs a format, so that every machine shows the same")
        text = format(value, self.format or ",")
        # What rounds to zero has no sign that every machine would agree on.
        return text.removeprefix("-") if re.fullmatch(r"-[0.,]+(e\+00)?%?", text) else text


@dataclass(frozen=True)
class Interval:
    """From one number to another, around an estimate where there is one, written as :class:`Number` is."""

    low: Any
    high: Any
    format: str = ""
    unit: str = ""
    value: Any = None


@dataclass(frozen=True)
class Condition:
    """Something that came out true or false, with its phrase for either case; never ``True`` or ``False``."""

    holds: bool
    true: Words = YES_NO[0]
    false: Words = YES_NO[1]

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", bool(self.holds))

    def phrase(self) -> Words:
        """The phrase of the case that came out."""
        return self.true if self.holds else self.false


def below(value: Any, bound: float, format: str = "") -> Condition:
    """Is the value below the bound? The way to show an error that is another on each machine."""
    return _against(bool(value < bound), bound, format, ("کمتر از", "below"), ("نه کمتر از", "not below"))


def above(value: Any, bound: float, format: str = "") -> Condition:
    """Is the value above the bound?"""
    return _against(bool(value > bound), bound, format, ("بیش از", "above"), ("نه بیش از", "not above"))


def _against(holds: bool, bound: float, format: str, *words: tuple[str, str]) -> Condition:
    number = Number(bound, format or "g")
    phrases = [
        Text(*(f"{word} {localize(number, lang)}" for word, lang in zip(pair, LANGUAGES, strict=True)))
        for pair in words
    ]
    return Condition(holds, *phrases)


def localize(value: Any, lang: str) -> str:
    """A value as one edition shows it.

    Numbers get the edition's digits, decimal and thousands separators, minus sign and unit; a power
    of ten is written out (``1e-10`` becomes 10⁻¹⁰). Words lose nothing; a plain string stays as it is.

    Args:
        value: words, a number, an interval, a condition, a truth value, or a sequence of these.
        lang: ``fa`` or ``en``.

    Raises:
        ValueError: an unknown language, or a number without the format that it needs.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"lang={lang!r}: expected one of {LANGUAGES}")
    value = _unboxed(value)
    match value:
        case None:
            return "–"
        case bool():
            return localize(Condition(value), lang)
        case int() | float():
            return localize(Number(value), lang)
        case str():
            return value
        case Text():
            return getattr(value, lang)
        case Condition():
            return localize(value.phrase(), lang)
        case Number():
            return _with_unit(_digits(value.text(), lang), value.unit, lang)
        case Interval():
            low, high = (_digits(Number(v, value.format).text(), lang) for v in (value.low, value.high))
            text = f"{low} تا {high}" if lang == "fa" else f"{low} to {high}"
            if value.value is not None:
                text = f"{_digits(Number(value.value, value.format).text(), lang)} ({text})"
            return _with_unit(text, value.unit, lang)
        case Sequence():
            return ("، " if lang == "fa" else ", ").join(localize(v, lang) for v in value)
    raise ValueError(f"{value!r}: neither words nor a number")


def _unboxed(value: Any) -> Any:
    """The Python number in a scalar of numpy or a tensor without dimensions."""
    return value.item() if hasattr(value, "item") else value


def _with_unit(text: str, unit: str, lang: str) -> str:
    return f"{text} {getattr(UNITS[unit], lang)}" if unit else text


def _digits(text: str, lang: str) -> str:
    """A number that Python has written, in the edition's digits and signs."""
    if text.lower().strip("+-") == "nan":
        return "–"
    body, percent = text.removesuffix("%"), text.endswith("%")
    body = body.replace("inf", "∞")
    mantissa, _, exponent = body.partition("e")
    plain = mantissa.replace("-", "−")
    if lang == "fa":
        plain = plain.translate(_PERSIAN)
    if exponent:
        power = ("۱۰" if lang == "fa" else "10") + str(int(exponent)).translate(_SUPERSCRIPT)
        plain = power if mantissa in ("1", "1.0") else f"{plain} × {power}"
    if lang == "fa":
        if exponent or re.search("[−+∞]", plain):
            plain = f"{_ISOLATE}{plain}{_END}"
        return plain + (f"{_RLM}٪" if percent else "")
    return plain + ("%" if percent else "")


@dataclass(frozen=True)
class Shown:
    """An output in both languages: Markdown in the book, plain text for nbval.

    Attributes:
        plain: the English version as text.
        markdown: both versions as MyST Markdown.
    """

    plain: str
    markdown: Text

    def __repr__(self) -> str:
        return self.plain

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/plain": self.plain,
            "text/markdown": self.markdown.en,
            EDITIONS: {"fa": {"text/markdown": self.markdown.fa}},
        }


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: its head.
        format: for the numbers and intervals in it that have no format of their own.
        unit: of all its numbers; stands in the head.
        true: phrase for a truth value in it that came out true.
        false: phrase for one that came out false.
    """

    header: Words
    format: str = ""
    unit: str = ""
    true: Words = YES_NO[0]
    false: Words = YES_NO[1]

    def head(self, lang: str) -> str:
        """The header with the unit in brackets."""
        header = localize(self.header, lang)
        return f"{header} ({getattr(UNITS[self.unit], lang)})" if self.unit else header

    def cell(self, value: Any) -> Any:
        """A value with this column's format and phrases."""
        value = _unboxed(value)
        match value:
            case Number() | Interval():
                return value if value.format else replace(value, format=self.format)
            case bool():
                return Condition(value, self.true, self.false)
            case int() | float():
                return Number(value, self.format)
        return value


def table(rows: Any, columns: Sequence[Column | Words]) -> Shown:
    """A table in both languages.

    Args:
        rows: an iterable of rows, or a DataFrame (its index is left out); a cell is anything that
            :func:`localize` takes.
        columns: one for each cell of a row; words alone are a column with that header.

    Raises:
        ValueError: rows and columns differ in number, or a number has no format.
    """
    heads = [c if isinstance(c, Column) else Column(c) for c in columns]
    records = rows.itertuples(index=False) if isinstance(rows, pd.DataFrame) else rows
    cells = [[c.cell(v) for c, v in zip(heads, row, strict=True)] for row in records]
    numeric = [bool(cells) and all(_is_numeric(row[k]) for row in cells) for k in range(len(heads))]

    def content(lang: str) -> list[list[str]]:
        return [[localize(value, lang) for value in row] for row in cells]

    plain = pd.DataFrame(content("en"), columns=[c.head("en") for c in heads])
    markdown = (_pipe_table([c.head(lang) for c in heads], content(lang), numeric) for lang in LANGUAGES)
    return Shown(plain.to_string(index=False), Text(*markdown))


def _is_numeric(value: Any) -> bool:
    return value is None or isinstance(value, Number | Interval)


def _pipe_table(heads: list[str], rows: list[list[str]], numeric: list[bool]) -> str:
    lines = [heads, ["---:" if n else ":---" for n in numeric], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def facts(values: Mapping[Words, Any]) -> Shown:
    """A short list of labelled values or conditions, in both languages.

    Args:
        values: anything that :func:`localize` takes, by its label.
    """
    plain = "\n".join(f"{localize(k, 'en')}: {localize(v, 'en')}" for k, v in values.items())
    markdown = (
        "\n".join(f"- {localize(k, lang)}: {localize(v, lang)}" for k, v in values.items())
        for lang in LANGUAGES
    )
    return Shown(plain, Text(*markdown))


def check_places(sentence: Text, names: Iterable[str]) -> None:
    """A sentence has a place for each name in both languages, and for no other.

    Raises:
        ValueError: names without a place, or places without a value.
    """
    wanted = set(names)
    for lang in LANGUAGES:
        places = {m[1] for m in _PLACE.finditer(getattr(sentence, lang)) if m[1]}
        if missing := places - wanted:
            raise ValueError(f"no value for {', '.join(sorted(missing))} of the sentence in {lang}")
        if extra := wanted - places:
            raise ValueError(f"no place for {', '.join(sorted(extra))} in the sentence in {lang}")


# A named place stands outside formulas; a role such as {eq}`eq-a` is no place.
_PLACE = re.compile(r"\$[^$]+\$|(?<!`)\{[\w:]+\}(?=`)|\{(\w+)\}")


def fill(sentence: str, values: Mapping[str, str]) -> str:
    """The sentence with the values in their named places."""
    return _PLACE.sub(lambda m: values[m[1]] if m[1] else m[0], sentence)


def as_data(value: Any) -> dict[str, Any]:
    """A value as JSON: how both editions show it, and what a program reads from it."""
    data: dict[str, Any] = {lang: localize(value, lang) for lang in LANGUAGES}
    value = _unboxed(value)
    match value:
        case bool():
            data["holds"] = value
        case int():
            data["value"] = value
        case Number():
            text = value.text().replace(",", "")
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
            if math.isfinite(number):
                data["value"] = int(number) if re.fullmatch(r"[+-]?\d+", text) else float(f"{number:.12g}")
            if value.unit:
                data["unit"] = value.unit
        case Condition():
            data["holds"] = value.holds
    return data
