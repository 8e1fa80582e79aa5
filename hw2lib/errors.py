"""Errors that a person can act on."""


class UserError(Exception):
    """Wrong use or bad input: one line that names the file or the value.

    The command line prints the message and exits with code 2; a notebook shows it as it is.
    """
