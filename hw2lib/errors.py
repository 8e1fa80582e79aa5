"""Errors that a person can act on."""

import re
from collections.abc import Callable

# Control characters of both sets, overrides of the writing direction, and bytes that are no UTF-8.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""The text with escapes in place of what a terminal would obey or could not encode.

    >>> printable("ZWNJ \u200c stays, \x1b[31mred does not") == "ZWNJ \u200c stays, \\x1b[31mred does not"
    True
    """
    return _OBEYED.sub(lambda match: repr(match[0])[1:-1], text)


class UserError(Exception):
    """Wrong use or bad input: one line that names the file or the value.

    The command line prints the message and exits with code 2; a notebook shows it as it is. What comes from
    outside (a server's answer, a file's name) is made :func:`printable`.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


def refusal(call: Callable[[], object], *errors: type[Exception]) -> str:
    """With what error, as code in Markdown, a call is refused; the error itself is raised if it is another.

    Raises:
        ValueError: the call is not refused.
    """
    try:
        call()
    except errors as error:
        return f"`{type(error).__name__}: {error}`"
    raise ValueError("the call went through")


class Stopped(Exception):
    """A person stopped the work; the message says what is left of it."""
