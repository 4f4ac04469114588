"""Signals that stop training: Ctrl-C, SIGTERM, SIGHUP, and the warning that a queue sends before it ends a job."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup: the run outlives its terminal
        expected.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, *expected)}

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            _say("stopping with a checkpoint; Ctrl-C again stops without one")
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


def _say(line: str) -> None:
    """Write a line on stderr from a signal's handler, which may have interrupted a write to the same stream."""
    with suppress(OSError):
        after_the_bar = "\n" if os.isatty(2) else ""
        os.write(2, f"{after_the_bar}{line}\n".encode())


def exit_after_signal(number: int) -> NoReturn:
    """End the program, after the checkpoint that a signal asked for, as the signal would have ended it without one.

    Raises:
        SystemExit: The status is 128 + the signal's number, unless the program's own handler ends it differently.
    """
    handler = signal.getsignal(number)
    if callable(handler) and number != signal.SIGINT:  # the user has seen Ctrl-C take effect
        handler(number, None)
    raise SystemExit(128 + number)
