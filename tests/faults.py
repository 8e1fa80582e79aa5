"""Marks a test as one of a fault, so that the book's page of what can go wrong is made from the test run."""

from collections import Counter

import pytest


def fault(kind: str, fault: str, injected: str, outcome: str) -> pytest.MarkDecorator:
    """The mark: what goes wrong, how the test brings it about, and what then happens; a sentence each."""
    return pytest.mark.fault(kind=kind, fault=fault, injected=injected, outcome=outcome)


def cases(kind: str, outcome: str, table: dict[str, tuple]):
    """Parameters with their marks, from a table of id → (fault, injected, values of the test's arguments)."""
    return [
        pytest.param(*values, id=name, marks=fault(kind, what, how, outcome))
        for name, (what, how, *values) in table.items()
    ]


def rows(items: list[pytest.Item]) -> list[dict]:
    """A row per fault among the collected tests, and how many tests try it, ordered by kind and text."""
    counted = Counter(
        tuple(sorted(mark.kwargs.items())) for item in items if (mark := item.get_closest_marker("fault"))
    )
    found = [dict(row) | {"tried": tried} for row, tried in counted.items()]
    return sorted(found, key=lambda row: (row["kind"], row["fault"], row["injected"]))
