"""Marks a test as one of a fault, so that the book's page of what can go wrong is made from the test run."""

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
