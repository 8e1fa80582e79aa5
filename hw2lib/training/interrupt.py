"""Ctrl-C between two steps instead of within one."""

from collections.abc import Iterator
from contextlib import contextmanager

from hw2lib.runs.folder import handled


class Interrupt:
    """Becomes true when the user has pressed Ctrl-C."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Note the first Ctrl-C, SIGTERM or SIGHUP, so that the loop can stop after its step and save.

    A second one interrupts at once, or when the file that is being written is whole. Outside the main thread
    signals are left alone.
    """
    interrupt = Interrupt()

    def note(number: int) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    with handled(note):
        yield interrupt
