"""The command hw2."""

import os
import sys
from io import TextIOWrapper
from typing import Any

from hw2lib.errors import Stopped, UserError, printable
from hw2lib.waiting import wait_passively


def __getattr__(name: str) -> Any:
    """``app``, which is imported when it is asked for: a Ctrl-C meanwhile finds :func:`main` at work."""
    if name != "app":
        raise AttributeError(name)
    from .commands import app

    return app


def main() -> None:
    """Run the command; an error a person can act on is one line and exit code 2."""
    wait_passively()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what an encoding lacks is no reason to stop
    code: int = 2
    try:
        from .commands import UsageError, app

        code = app(standalone_mode=False) or 0
        if code == 130:  # what typer makes of a Ctrl-C
            _complain("interrupted")
        sys.stdout.flush()  # what cannot be written is to be said here, not at the interpreter's end
    except KeyboardInterrupt:
        code = 130
        _complain("interrupted")
    except Stopped as error:
        code = 130
        _complain(str(error))
    except UserError as error:
        _complain(str(error))
    except BrokenPipeError:  # whoever was to read this has seen enough, as in `hw2 claims | head`
        code = 141
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _complain(f"{error.filename or 'output'}: {error.strerror or error}")
    except MemoryError:
        _complain("the memory of this machine does not suffice")
    except UsageError as error:
        # Without any argument the help has been printed, and there is nothing more to say.
        _complain(" ".join(error.format_message().split()))
    sys.exit(code)


def _complain(line: str) -> None:
    if line:
        print(f"hw2: {printable(line)}", file=sys.stderr)
