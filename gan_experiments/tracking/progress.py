"""Shows how far runs are: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from gan_experiments.tracking.naming import in_words
from gan_experiments.tracking.run_events import Headline, RunEvent, Scored, StoppedEarly, WarningsChanged
from gan_experiments.training.events import LOSSES, PROBABILITIES, Diverged, EpochFinished, StepsFinished

_LINES = 20
"""About how many plain lines a whole run prints."""


def progress_of(names: Sequence[str], total_steps: int, epochs: int, step: int = 0) -> Progress:
    """Return the progress display of runs that train together; arguments as those of ``StackProgress``."""
    if len(names) == 1:
        return Progress(total_steps, epochs, step)
    return StackProgress(names, total_steps, epochs, step)


def write_line(line: str) -> None:
    """Print a line on stderr without breaking a bar."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


class Progress:
    """Shows epoch, rate, losses, D(x), D(G(z)) and the time left of one run on stderr.

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

    def on(self, k: int, event: RunEvent) -> None:
        """Show an event of run ``k``."""
        match event:
            case StepsFinished():
                self._show_steps(event)
            case EpochFinished():
                self._show_epoch(k, event)
            case Scored(headline=best) if best is not None:
                self._show_score(k, best)
            case WarningsChanged():
                self._show_warnings(k, event)
            case Diverged():
                self._leave(k, f"failed: {event.reason}")
            case StoppedEarly():
                self._leave(k, f"ended: {event.reason}")

    def _show_steps(self, event: StepsFinished) -> None:
        if self._bar is None or event.step == self._bar.n:
            return
        self._bar.set_description_str(self._epoch_of(event.epoch), refresh=False)
        self._bar.set_postfix_str(self._facts_of_steps(event) + self._score + self._warnings, refresh=False)
        self._bar.update(event.step - self._bar.n)

    def _show_epoch(self, k: int, event: EpochFinished) -> None:
        if self._bar is not None:
            return
        part = event.epoch * _LINES // self._epochs
        if part == self._printed:
            return
        self._printed = part
        left = (time.monotonic() - self._started) * (self._total - event.step) / max(event.step - self._first, 1)
        rate = f"{event.metrics['speed/steps_per_second']:.0f} steps/s"
        more = f"{self._score}, {tqdm.format_interval(left)} left{self._warnings}"
        write_line(f"{self._epoch_of(event.epoch)}, {rate}, {self._facts_of_epoch(event)}{more}")

    def _epoch_of(self, epoch: float) -> str:
        return f"epoch {int(epoch):{len(str(self._epochs))}d}/{self._epochs}"

    def _facts_of_steps(self, event: StepsFinished) -> str:
        values = (event.discriminator_loss, event.generator_loss, event.prob_real, event.prob_fake)
        return _facts(*(float(value.mean()) for value in values))

    def _facts_of_epoch(self, event: EpochFinished) -> str:
        return _facts(*(event.metrics[name] for name in (*LOSSES, *PROBABILITIES)))

    def _show_score(self, k: int, best: Headline) -> None:
        self._score = f", {in_words(best.name)} {best.value:.4g}"

    def _show_warnings(self, k: int, event: WarningsChanged) -> None:
        self._warnings = "".join(f", ! {in_words(light)}" for light in sorted(event.on))
        self._announce(event.new)

    def _announce(self, new: Sequence[str], whose: str = "") -> None:
        """Print new warnings, where no bar shows them."""
        if self._bar is None:
            for light in new:
                write_line(f"warning   {in_words(light)}{whose}")

    def _leave(self, k: int, how: str) -> None:
        """Say how a run ended before the others; of a single run its last lines do."""

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


@dataclass
class _Member:
    """The part of the display that belongs to one member of a stack.

    Attributes:
        name: The run's name.
        loss: G's mean loss over the last epoch, or None before the first.
        score: The last score, or None before the first.
        warned: Whether a warning light is on.
    """

    name: str
    loss: float | None = None
    score: Headline | None = None
    warned: bool = False


class StackProgress(Progress):
    """Shows the members of a stack as one: how many train, their rates, and the best so far.

    The best member is the one with the best score or, before there are scores, the one with the lowest loss of G.

    Args:
        names: Names of the runs.
        total_steps: Steps of each.
        epochs: Epochs of each.
        step: Steps already done when this process started.
    """

    def __init__(self, names: Sequence[str], total_steps: int, epochs: int, step: int = 0) -> None:
        super().__init__(total_steps, epochs, step)
        self._names = names
        self._members = {k: _Member(name) for k, name in enumerate(names)}

    def _show_epoch(self, k: int, event: EpochFinished) -> None:
        self._members[k].loss = event.metrics["loss/generator"]
        if k == max(self._members):  # the others have finished the epoch too
            super()._show_epoch(k, event)

    def _show_score(self, k: int, best: Headline) -> None:
        self._members[k].score = best

    def _show_warnings(self, k: int, event: WarningsChanged) -> None:
        self._members[k].warned = bool(event.on)
        self._count_warned()
        self._announce(event.new, f": {self._members[k].name}")

    def _count_warned(self) -> None:
        warned = sum(member.warned for member in self._members.values())
        self._warnings = f", ! {warned} with warnings" if warned else ""

    def _leave(self, k: int, how: str) -> None:
        self._members.pop(k, None)  # it has left already if it diverged in its last checkpoint
        self._count_warned()
        write_line(f"{self._names[k]} {how}; {len(self._members)} still training")

    def _facts_of_steps(self, event: StepsFinished) -> str:
        # The rate that the bar shows next to it, once it has one.
        rate = self._bar.format_dict["rate"] if self._bar is not None else None
        return self._facts_of_members(rate or event.steps_per_second)

    def _facts_of_epoch(self, event: EpochFinished) -> str:
        return self._facts_of_members(event.metrics["speed/steps_per_second"])

    def _facts_of_members(self, rate: float) -> str:
        count = len(self._members)
        facts = f"{count * rate:.0f} member-steps/s, {count} member{'' if count == 1 else 's'}"
        scores = [(member.score, member.name) for member in self._members.values() if member.score is not None]
        if scores:
            best, name = min(scores, key=lambda score: _rank(score[0]))
            return f"{facts}, best {in_words(best.name)} {best.value:.4g}: {name}"
        losses = [(member.loss, member.name) for member in self._members.values() if member.loss is not None]
        if losses:
            loss, name = min(losses, key=lambda loss: loss[0])
            return f"{facts}, lowest loss G {loss:.3f}: {name}"
        return facts


def _rank(score: Headline) -> float:
    """Return a number that is smaller for a better score."""
    return -score.value if score.larger_is_better else score.value


def _is_terminal() -> bool:
    """Tell whether a bar can be drawn: a terminal without a size, as some programs provide, shows none."""
    return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0


def _facts(discriminator_loss: float, generator_loss: float, real: float, fake: float) -> str:
    return f"loss D {discriminator_loss:.3f} G {generator_loss:.3f}, D(x) {real:.2f} D(G(z)) {fake:.2f}"
