"""A full stack whose runs end at unequal moments and are replaced, next to one whose runs never leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import count

from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.ours import ENDLESS, member
from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.report import Row
from gan_experiments.benchmark.timing import Block, Contender, Spread, StepsTaken, paced
from gan_experiments.training.events import Diverged, StepsFinished
from gan_experiments.training.member import Member
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.slots import Entry
from gan_experiments.training.trainer import Trainer

STEPS = 1000
"""About how many steps runs have that are exchanged, on the average."""
_FEWEST_EPOCHS = 4
"""Runs end with epochs, so they need a few to end at unequal moments."""
_TURNS = 20
"""Parts into which a measurement is divided."""
_LENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Lengths of the runs, in turn, in parts of the average."""


def measure(plan: Plan, recipe: Recipe) -> list[Row]:
    """Time a member-step of a full stack with exchanges and of one without, in pairs.

    A run that ends costs all that it costs the trainer in a sweep: its last samples, its state, the networks of the
    next one, which take its slot, and windows of steps that end where any run's epoch does. Files are not written.
    """
    length, slots = average_length(recipe), plan.slots
    stay, leave = "never leave", f"of {round(0.5 * length):,} to {round(1.5 * length):,} steps, exchanged"
    contenders = {
        name: paced(stack(recipe, slots, plan.precision, exchange), recipe.device)
        for name, exchange in ((stay, False), (leave, True))
    }
    print(f"warming up: {slots} slots, with and without exchanges", file=sys.stderr, flush=True)
    steps = max(_enough(contender, slots * length, plan.seconds) for contender in contenders.values())
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for i in range(plan.rounds):
        print(f"measuring: pair {i + 1} of {plan.rounds}", file=sys.stderr, flush=True)
        for name, value in _by_turns(contenders, steps).items():
            seconds[name].append(value)
    ratios = Spread.of([a / b for a, b in zip(seconds[leave], seconds[stay], strict=True)])
    note = f"of the pairs: {ratios.median:.3f}, from {ratios.low:.3f} to {ratios.high:.3f}"
    spreads = {name: Spread.of(values).scaled(1e6) for name, values in seconds.items()}
    return [
        Row("exchanges", stay, "us", spreads[stay], slots),
        Row("exchanges", leave, "us", spreads[leave], slots, {"staying": ratios.median}, note),
    ]


def average_length(recipe: Recipe) -> int:
    """Return how many steps the runs have on the average that are exchanged."""
    return RunLength.of(len(recipe.dataset), recipe.train).end_of(_average_epochs(recipe))


def _average_epochs(recipe: Recipe) -> int:
    return max(_FEWEST_EPOCHS, round(STEPS * recipe.train.batch_size / len(recipe.dataset)))


def _enough(contender: Contender, steps: int, seconds: float) -> int:
    """Return at least ``steps`` member-steps, as many runs as there are slots, and so many that they take a while."""
    contender(1)
    contender(1)
    taken, needed = contender(-(-steps // _TURNS))
    return max(steps, round(seconds * taken / needed))


def _by_turns(contenders: Mapping[str, Contender], steps: int) -> dict[str, float]:
    """Return each one's seconds a member-step, measured in short turns, because a machine does other things too."""
    blocks: dict[str, list[Block]] = {name: [] for name in contenders}
    for turn in range(_TURNS):
        for name in list(contenders)[:: -1 if turn % 2 else 1]:
            blocks[name].append(contenders[name](-(-steps // _TURNS)))
    return {name: sum(one.seconds for one in own) / sum(one.steps for one in own) for name, own in blocks.items()}


def stack(recipe: Recipe, slots: int, precision: str, exchange: bool) -> Iterator[StepsTaken]:
    """Train a full stack, one run a slot; yield a run's steps whenever they are reported.

    Args:
        recipe: Data and networks.
        slots: Number of slots.
        precision: fp32, tf32 or bf16.
        exchange: Whether runs end, and others take their slots; otherwise the first ones train for ever.
    """
    lengths = [round(part * _average_epochs(recipe)) for part in _LENGTHS]

    def run(number: int) -> Member:
        epochs = lengths[number % len(lengths)] if exchange else ENDLESS
        return member(recipe, number, "auto", precision, epochs)

    trainer = Trainer(
        [run(number) for number in range(slots)],
        recipe.dataset,
        device=recipe.device,
        sample_every=ENDLESS,
        queue=_Endless(run, slots) if exchange else None,
    )
    for k, event in trainer.events():
        if isinstance(event, Diverged):
            raise RuntimeError(f"the run of seed {k} diverged: {event.reason}")
        if isinstance(event, StepsFinished):
            yield StepsTaken(len(event.generator_loss))


class _Endless:
    """A queue in which there is always a next run.

    Args:
        run: Returns a run by its number.
        first: Number of the first.
    """

    def __init__(self, run: Callable[[int], Member], first: int) -> None:
        self._run, self._numbers = run, count(first)

    def next(self, slot: int, check: Callable[[Member], object]) -> Entry:
        """Return the next run."""
        number = next(self._numbers)
        return Entry(number, self._run(number))

    def is_waiting(self) -> bool:
        """Return True."""
        return True

    def leaving(self, steps: Mapping[int, int]) -> Collection[int]:
        """Return none: runs leave when they are complete."""
        return ()
