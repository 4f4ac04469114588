"""How far a run is: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection

from tqdm import tqdm

from gan_experiments.training.events import EpochFinished, StepsFinished

_LINES = 20
"""About how many plain lines a whole run prints."""


class Progress:
    """Shows epoch, rate, losses, D(x), D(G(z)) and the time left on stderr.

    Args:
        total_steps: Steps of the whole run.
        epochs: Epochs of the whole run.
        step: Steps already done when this process started.
    """

    def __init__(self, total_steps: int, epochs: int, step: int = 0) -> None:
        self._total, self._epochs, self._first = total_steps, epochs, step
        self._started = time.monotonic()
        self._printed = -1
        self._warnings = ""
        self._bar = (
            tqdm(
                total=total_steps,
                initial=step,
                unit=" steps",
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}%|{bar:20}| {rate_noinv_fmt}{postfix}, {remaining} left",
            )
            if _is_terminal()
            else None
        )

    def steps(self, event: StepsFinished) -> None:
        """Take notice of a window of steps."""
        if self._bar is None:
            return
        values = (event.discriminator_loss, event.generator_loss, event.prob_real, event.prob_fake)
        self._bar.set_description_str(self._epoch(event.epoch), refresh=False)
        facts = _facts(*(float(v.mean()) for v in values))
        self._bar.set_postfix_str(facts + self._warnings, refresh=False)
        self._bar.update(event.step - self._bar.n)

    def epoch(self, event: EpochFinished) -> None:
        """Take notice of a finished epoch."""
        if self._bar is not None:
            return
        part = event.epoch * _LINES // self._epochs
        if part == self._printed:
            return
        self._printed = part
        metrics = event.metrics
        names = ("loss/discriminator", "loss/generator", "prob/real", "prob/fake")
        facts = _facts(*(metrics[name] for name in names))
        left = (time.monotonic() - self._started) * (self._total - event.step) / max(event.step - self._first, 1)
        rate = f"{metrics['speed/steps_per_second']:.0f} steps/s"
        self.write(f"{self._epoch(event.epoch)}, {rate}, {facts}, {tqdm.format_interval(left)} left{self._warnings}")

    def warn(self, new: Collection[str], on: Collection[str]) -> None:
        """Show the warning lights that are on from here on; one that is new at once, where there is no bar."""
        self._warnings = "".join(f", ! {_words(light)}" for light in sorted(on))
        if self._bar is None:
            for light in new:
                self.write(f"warning   {_words(light)}")

    def write(self, line: str) -> None:
        """Print a line without breaking the bar."""
        tqdm.write(line, file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()

    def _epoch(self, epoch: float) -> str:
        return f"epoch {int(epoch):{len(str(self._epochs))}d}/{self._epochs}"


def _words(light: str) -> str:
    return light.replace("_", " ")


def _is_terminal() -> bool:
    """Whether a bar can be drawn: a terminal without a size, as some programs provide, shows none."""
    return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0


def _facts(discriminator_loss: float, generator_loss: float, real: float, fake: float) -> str:
    return f"loss D {discriminator_loss:.3f} G {generator_loss:.3f}, D(x) {real:.2f} D(G(z)) {fake:.2f}"
