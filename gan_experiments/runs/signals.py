"""Signals that stop training: Ctrl-C, SIGTERM, and the warning that a queue sends before it ends a job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from gan_experiments.training.trainer import Trainer

_NOTICES = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that end a program unless it expects them; submitit's jobs expect one of them."""


@contextmanager
def stop_on_signals(trainer: Trainer) -> Iterator[list[int]]:
    """Make the first signal ask training to stop; a second one gets its usual handling.

    Yields:
        The signals received so far, by number.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set handlers
        return
    expected = [number for number in _NOTICES if callable(signal.getsignal(number))]
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, *expected)}

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        trainer.request_stop()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_after_signal(number: int) -> NoReturn:
    """End the program, after the checkpoint that a signal asked for, as the signal would have ended it without one.

    Raises:
        SystemExit: The status is 128 + the signal's number, unless the program's own handler ends it differently.
    """
    handler = signal.getsignal(number)
    if callable(handler) and number != signal.SIGINT:  # the user has seen Ctrl-C take effect
        handler(number, None)
    raise SystemExit(128 + number)
