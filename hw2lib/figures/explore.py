"""Figures that a reader can move: controls, and what is shown for each of their positions.

A cell works out every number; the page's script (``book/_static/explore.js``) looks them up and draws.
The cell's output holds the still picture in both languages, which a notebook, paper and a page without
scripts show, and under :data:`MIME` what the widget needs; the book's build gives it to the page in the
words and digits of the edition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw2lib.bilingual import LANGUAGES, Number, Shown, Text, Words, as_data, localize, table

from .style import Picture

MIME = "application/vnd.hw2.explorable+json"


@dataclass(frozen=True)
class Control:
    """A slider, or a list to choose from.

    Attributes:
        name: by which readings and drawings know it.
        label: what the reader reads.
        values: numbers or words, one for each position.
        start: position at first, from 0.
        format, unit: of the numbers, as in :class:`~hw2lib.bilingual.Number`.
        choice: a list to choose from.
    """

    name: str
    label: Words
    values: Sequence[Any]
    start: int = 0
    format: str = ""
    unit: str = ""
    choice: bool = False


@dataclass(frozen=True)
class Reading:
    """A labelled value that changes with the controls.

    Attributes:
        label: what the reader reads.
        by: names of the controls that it depends on.
        values: nested, a level for each control of ``by``, in this order; numbers or words.
        format, unit: of the numbers.
    """

    label: Words
    by: tuple[str, ...]
    values: Sequence[Any]
    format: str = ""
    unit: str = ""


def shown(values: Any, format: str = "", unit: str = "") -> dict[str, Any]:
    """Numbers or words, also nested, as they are stored: rounded, with the format that localizes them."""
    return {"shown": _rounded(values, format), "format": format, "unit": unit}


def axis(label: Words, low: float, high: float, ticks: Sequence[float], format: str = "") -> dict[str, Any]:
    """An axis of a drawing: its label, its ends, and where which numbers stand."""
    return {"label": label, "low": low, "high": high, "at": [*ticks], "ticks": shown(ticks, format)}


@dataclass(frozen=True)
class Explorable:
    """What a cell shows: a still picture, and beside it the widget for the page.

    Attributes:
        widget: its name; ``book/_static/explore-NAME.js`` draws it.
        controls: at least one.
        readings: shown beside the drawing; screen readers are told when they change.
        drawing: anything else that the drawing needs; numbers are kept to four decimals.
        still: the picture of one position, for notebooks, paper, and pages without scripts.

    Raises:
        ValueError: a reading's values do not fit its controls, or a number has no format.
    """

    widget: str
    controls: Sequence[Control]
    readings: Sequence[Reading]
    drawing: Mapping[str, Any]
    still: Picture

    def __post_init__(self) -> None:
        sizes = {control.name: len(control.values) for control in self.controls}
        for reading in self.readings:
            label = localize(reading.label, "en")
            _check_shape(reading.values, [sizes[name] for name in reading.by], label)

    def table(self, *positions: Sequence[Any]) -> Shown:
        """What the widget shows at some positions, for nbval to compare and for the test of the widget.

        Args:
            positions: for each row of the table, the value of every control.
        """
        parts: list[Control | Reading] = [*self.controls, *self.readings]
        rows = []
        for position in positions:
            at = {c.name: [*c.values].index(v) for c, v in zip(self.controls, position, strict=True)}
            row = [*position, *(_look_up(reading, at) for reading in self.readings)]
            rows.append([_written(value, part) for value, part in zip(row, parts, strict=True)])
        return table(rows, [part.label for part in parts])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = self.still._repr_mimebundle_()
        plain = f"{bundle['text/plain']}; in the book: {self.widget}, to explore"
        payload = {
            "widget": self.widget,
            "controls": [
                {
                    "name": c.name,
                    "label": c.label,
                    "start": c.start,
                    "choice": c.choice,
                    "values": shown(c.values, c.format, c.unit),
                }
                for c in self.controls
            ],
            "readings": [
                {"label": r.label, "by": [*r.by], "values": shown(r.values, r.format, r.unit)}
                for r in self.readings
            ],
            "drawing": self.drawing,
        }
        return bundle | {"text/plain": plain, MIME: _as_json(payload)}


def localized(payload: Any, lang: str) -> Any:
    """A stored payload with the words and digits of one edition."""
    match payload:
        case {"shown": values, "format": format, "unit": unit}:
            return _spelled(values, format, unit, lang)
        case {"fa": str(), "en": str()} if len(payload) == len(LANGUAGES):
            return payload[lang]
        case dict():
            return {key: localized(value, lang) for key, value in payload.items()}
        case list():
            return [localized(value, lang) for value in payload]
    return payload


def _look_up(reading: Reading, at: Mapping[str, int]) -> Any:
    value: Any = reading.values
    for name in reading.by:
        value = value[at[name]]
    return value


def _written(value: Any, part: Control | Reading) -> Any:
    return value if isinstance(value, Words) else Number(value, part.format, part.unit)


def _check_shape(values: Any, shape: Sequence[int], label: str) -> None:
    if not shape:
        return
    if isinstance(values, str | Text) or len(values) != shape[0]:
        raise ValueError(f"{label}: {len(values)} values for a control with {shape[0]} positions")
    for part in values:
        _check_shape(part, shape[1:], label)


def _rounded(values: Any, format: str) -> Any:
    if isinstance(values, Words):
        return _as_json(values)
    if isinstance(values, Sequence) or np.ndim(values):
        return [_rounded(value, format) for value in values]
    return as_data(Number(values, format)).get("value")


def _spelled(values: Any, format: str, unit: str, lang: str) -> Any:
    match values:
        case list():
            return [_spelled(value, format, unit, lang) for value in values]
        case dict():
            return values[lang]
        case int() | float():
            return localize(Number(values, format, unit), lang)
    return localize(values, lang)


def _as_json(value: Any) -> Any:
    """The value as JSON: words in both languages, floats with four decimals, arrays as lists."""
    match value:
        case {"shown": _}:
            return value
        case Text():
            return {lang: getattr(value, lang) for lang in LANGUAGES}
        case Mapping():
            return {key: _as_json(part) for key, part in value.items()}
        case bool() | str() | int() | None:
            return value
        case float():
            return round(value, 4)
    if getattr(value, "ndim", None) == 0:
        return _as_json(value.item())
    return [_as_json(part) for part in value]
