"""Ctrl-C between two steps instead of within one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupt:
    """Becomes true when the user has pressed Ctrl-C."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Note the first Ctrl-C (or SIGTERM), so that the loop can stop after its step and save.

    A second Ctrl-C interrupts at once. Outside the main thread signals are left alone.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(number: int, frame: object) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
