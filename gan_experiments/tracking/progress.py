"""How far a run is: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Sequence

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
        self._warnings = self._score = ""
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

    def steps(self, event: StepsFinished, k: int = 0) -> None:
        """Take notice of a window of steps of run ``k``."""
        if self._bar is None or event.step == self._bar.n:
            return
        self._bar.set_description_str(self._epoch(event.epoch), refresh=False)
        self._bar.set_postfix_str(self._facts_of_steps(event) + self._score + self._warnings, refresh=False)
        self._bar.update(event.step - self._bar.n)

    def _facts_of_steps(self, event: StepsFinished) -> str:
        values = (event.discriminator_loss, event.generator_loss, event.prob_real, event.prob_fake)
        return _facts(*(float(v.mean()) for v in values))

    def epoch(self, event: EpochFinished, k: int = 0) -> None:
        """Take notice of an epoch that run ``k`` finished."""
        if self._bar is not None:
            return
        part = event.epoch * _LINES // self._epochs
        if part == self._printed:
            return
        self._printed = part
        left = (time.monotonic() - self._started) * (self._total - event.step) / max(event.step - self._first, 1)
        rate = f"{event.metrics['speed/steps_per_second']:.0f} steps/s"
        facts = self._facts_of_epoch(event)
        more = f"{self._score}, {tqdm.format_interval(left)} left{self._warnings}"
        self.write(f"{self._epoch(event.epoch)}, {rate}, {facts}{more}")

    def _facts_of_epoch(self, event: EpochFinished) -> str:
        names = ("loss/discriminator", "loss/generator", "prob/real", "prob/fake")
        return _facts(*(event.metrics[name] for name in names))

    def score(self, name: str, value: float, larger_is_better: bool, k: int = 0) -> None:
        """Show a score from here on."""
        self._score = f", {words(name)} {value:.4g}"

    def warn(self, new: Collection[str], on: Collection[str], k: int = 0) -> None:
        """Show the warning lights that are on from here on; one that is new at once, where there is no bar."""
        self._warnings = "".join(f", ! {words(light)}" for light in sorted(on))
        self._announce(new)

    def _announce(self, new: Collection[str], whose: str = "") -> None:
        if self._bar is None:
            for light in new:
                self.write(f"warning   {words(light)}{whose}")

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


def words(name: str) -> str:
    """The name of a score or a warning light, for people."""
    return name.replace("_", " ")


class GroupProgress(Progress):
    """Shows the members of a stack as one: how many train, their rates, and the best so far.

    That is the one with the best score, and before there are scores the one with the lowest loss of G.

    Args:
        names: Of the runs.
        total_steps: Steps of each.
        epochs: Epochs of each.
        step: Steps already done when this process started.
    """

    def __init__(self, names: Sequence[str], total_steps: int, epochs: int, step: int = 0) -> None:
        super().__init__(total_steps, epochs, step)
        self._names = names
        self._alive = set(range(len(names)))
        self._losses: dict[int, float] = {}
        self._scores: dict[int, float] = {}
        self._scored_by, self._sign = "", 1
        self._warned: set[int] = set()

    def epoch(self, event: EpochFinished, k: int = 0) -> None:
        """Take notice of an epoch that run ``k`` finished; the last of them is the one to tell about."""
        self._losses[k] = event.metrics["loss/generator"]
        if k == max(self._alive):
            super().epoch(event, k)

    def score(self, name: str, value: float, larger_is_better: bool, k: int = 0) -> None:
        """Take notice of run ``k``'s score."""
        self._scores[k], self._scored_by, self._sign = value, words(name), -1 if larger_is_better else 1

    def warn(self, new: Collection[str], on: Collection[str], k: int = 0) -> None:
        """Show how many of the runs have warning lights on, and a new one at once, where there is no bar."""
        self._warned = self._warned | {k} if on else self._warned - {k}
        self._warnings = f", ! {len(self._warned)} with warnings" if self._warned else ""
        self._announce(new, f": {self._names[k]}")

    def lose(self, k: int, how: str) -> None:
        """Say how a run has ended before the others, which go on."""
        self._alive.discard(k)
        self._losses.pop(k, None)
        self._scores.pop(k, None)
        self.warn([], [], k)
        self.write(f"{self._names[k]} {how}; the other {len(self._alive)} go on")

    def _facts_of_steps(self, event: StepsFinished) -> str:
        # The rate that the bar shows beside it, once it has one.
        rate = self._bar.format_dict["rate"] if self._bar is not None else None
        return self._facts_of_group(rate or event.steps_per_second)

    def _facts_of_epoch(self, event: EpochFinished) -> str:
        return self._facts_of_group(event.metrics["speed/steps_per_second"])

    def _facts_of_group(self, rate: float) -> str:
        count = len(self._alive)
        facts = f"{count * rate:.0f} member-steps/s, {count} members"
        if self._scores:
            best = min(self._scores, key=lambda k: self._sign * self._scores[k])
            return f"{facts}, best {self._scored_by} {self._scores[best]:.4g}: {self._names[best]}"
        if self._losses:
            best = min(self._losses, key=self._losses.__getitem__)
            return f"{facts}, lowest loss G {self._losses[best]:.3f}: {self._names[best]}"
        return facts


def _is_terminal() -> bool:
    """Whether a bar can be drawn: a terminal without a size, as some programs provide, shows none."""
    return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0


def _facts(discriminator_loss: float, generator_loss: float, real: float, fake: float) -> str:
    return f"loss D {discriminator_loss:.3f} G {generator_loss:.3f}, D(x) {real:.2f} D(G(z)) {fake:.2f}"
