"""The examples in the docstrings of hw2lib do what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import hw2lib

PACKAGE = Path(hw2lib.__file__).parent


def modules_with_examples() -> list[str]:
    """Names of all modules of hw2lib in whose source an example stands."""
    paths = [p for p in sorted(PACKAGE.rglob("*.py")) if ">>> " in p.read_text("utf-8")]
    names = [".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in paths]
    return [n.removesuffix(".__init__") for n in names]


MODULES = modules_with_examples()


def test_the_walk_finds_the_examples():
    assert {"hw2lib.flows.maf", "hw2lib.statistics.roc", "hw2lib.training.settings"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0
