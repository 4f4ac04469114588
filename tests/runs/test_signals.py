from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from gan_experiments.runs import signals


class Asked:
    """As much of a trainer as signals need."""

    stops = 0

    def request_stop(self) -> None:
        self.stops += 1


def stopping(trainer: object) -> AbstractContextManager[list[int]]:
    return signals.stop_on_signals(trainer)  # type: ignore[arg-type]


@contextmanager
def handled(number: int, handler: object) -> Iterator[None]:
    before = signal.signal(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_one_asks_training_to_stop_and_the_second_one_gets_its_usual_handling(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    trainer = Asked()
    usual: list[int] = []
    with handled(number, lambda number, _: usual.append(number)), stopping(trainer) as received:
        os.kill(os.getpid(), number)
        assert (received, trainer.stops, usual) == ([number], 1, [])
        os.kill(os.getpid(), number)
        assert (received, trainer.stops, usual) == ([number], 1, [number])
    said = "stopping with a checkpoint; Ctrl-C again stops without one\n"
    assert capfd.readouterr().err == (said if number is signal.SIGINT else "")


def test_a_run_under_nohup_outlives_its_terminal() -> None:
    trainer = Asked()
    with handled(signal.SIGHUP, signal.SIG_IGN), stopping(trainer) as received:
        os.kill(os.getpid(), signal.SIGHUP)
        assert (received, trainer.stops) == ([], 0)
