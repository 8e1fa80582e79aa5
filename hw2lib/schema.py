"""What comes from outside as JSON, held against a description of it before anything is made of it."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import UserError

Model = TypeVar("Model", bound=BaseModel)
_SHOWN = 60  # characters of a value in a message


class RunSettings(BaseModel):
    """Settings of a run: no unknown name, and every number finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def least_bytes(self) -> int:
        """What a model of these settings takes at least, its weights and what one batch becomes."""
        return 0


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, names something twice, holds a number that is none (NaN, Infinity, 1e999),
            or is nested too deeply.
    """
    try:
        return json.loads(
            text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_each_name_once
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path, schema: type[BaseModel] | None = None) -> dict:
    """The object in a JSON file; UserError names a file that is missing, damaged, or of another form.

    Args:
        path: the file.
        schema: that the object has to fulfil, strictly: a number in quotes is no number.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is not a plain file")
        values = parse_json(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; is this the folder of a run?") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as JSON") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected an object with names, not {shortened(values)}")
    if schema is not None:
        validated_model(schema, values, f"{path}:")
    return values


def validated_model(kind: type[Model], values: dict, source: str) -> Model:
    """Build a model from values as JSON has them; UserError names the first that does not fit.

    Nothing is converted: true is no 1, "8" no 8, and 2.0 no whole number.
    """
    try:
        return kind.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of several values together
            problem = first.get("ctx", {}).get("error", first["msg"])
            raise UserError(f"{source} {problem}") from error
        name = ".".join(str(part) for part in first["loc"])
        found = "" if first["type"] == "missing" else f"={shortened(first['input'])}"
        raise UserError(f"{source} {name}{found}: {first['msg']}") from error


def shortened(value: object) -> str:
    """A value as Python shows it, cut where it is long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested deeply, or a number of thousands of digits
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large for a number")
    return value


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name occurs twice")
    return values
