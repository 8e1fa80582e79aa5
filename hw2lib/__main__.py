"""``python -m hw2lib`` is the command hw2, also in a checkout that is not installed."""

from .cli import main

main()
