"""Runs that pass through the slots of a stack are the runs that they would be alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models import dcgan, mlp
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.objectives import LeastSquares, NonSaturating
from gan_experiments.penalties import R1, LeCam
from gan_experiments.training.augmentations.ada import Ada, AdaConfig
from gan_experiments.training.events import (
    CheckpointDue,
    Completed,
    Diverged,
    EpochFinished,
    Event,
    Left,
    ProbabilitiesTaken,
    SamplesDrawn,
    StepsFinished,
    Stopped,
)
from gan_experiments.training.member import Member
from gan_experiments.training.slots import Entry
from gan_experiments.training.trainer import Trainer
from tests.support.steps import DEVICES

CPU = torch.device("cpu")
SAMPLES = torch.randint(0, 256, (45, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
DATA = Dataset("d", SAMPLES)
TOLERANCE = 2e-4


def member(seed: int, *, latent_dim: int = 6, width: int = 16, dropout: float = 0.3, **train: Any) -> Member:
    torch.manual_seed(seed)
    networks = mlp.build((1, 8, 8), "mlp", latent_dim, [width, 24], [24, width], 0.2, dropout)
    settings = TrainConfig(**({"epochs": 3, "batch_size": 8, "checkpoint_every": 2} | train))
    return Member(networks, settings, seed, NonSaturating("n"))


def convolutional(seed: int, width: int, *, spectral_norm: bool = False, **train: Any) -> Member:
    torch.manual_seed(seed)
    slope = 0.1 * (1 + seed % 2)
    networks = dcgan.build((1, 8, 8), "dcgan", 4 + width, [width, 3], [3, width], slope, 0.1, spectral_norm)
    settings = TrainConfig(**({"epochs": 3, "batch_size": 8, "lr": 1e-4 * (1 + seed)} | train))
    return Member(networks, settings, seed, NonSaturating("n"))


def ada(target: float) -> Ada:
    keys = {key: value for key, value in asdict(AdaConfig()).items() if key != "_target_"}
    return Ada(**keys | {"name": "ada", "target": target, "interval": 2})


@dataclass
class Line:
    """Runs that wait in a line; those that ``leaves`` names leave after so many steps."""

    waiting: list[Entry]
    leaves: Mapping[int, int] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)

    def next(self, slot: int, check: Callable[[Member], None]) -> Entry | None:
        while self.waiting:
            entry = self.waiting.pop(0)
            try:
                check(entry.member)
            except UnstackableError:
                self.refused.append(entry.number)
            else:
                return entry
        return None

    def is_waiting(self) -> bool:
        return bool(self.waiting)

    def leaving(self, steps: Mapping[int, int]) -> Collection[int]:
        return [number for number, done in steps.items() if self.leaves.get(number) == done]


def through(
    slots: int, make: Sequence[Callable[[], Member]], device: str = "cpu", **others: Any
) -> tuple[dict[int, list[Event]], Trainer]:
    """Train runs through a stack's slots; return the events of each."""
    members = [each() for each in make]
    entries = [Entry(number, one) for number, one in enumerate(members)]
    line = Line(entries[slots:], **others)
    later = [each() for each in make]
    trainer = Trainer(members[:slots], DATA, device=torch.device(device), samples=4, later=later, queue=line)
    events: dict[int, list[Event]] = {}
    for number, event in trainer.events():
        events.setdefault(number, []).append(event)
    assert not line.refused
    return events, trainer


def alone(make: Callable[[], Member], device: str = "cpu") -> list[Event]:
    return [event for _, event in Trainer([make()], DATA, device=torch.device(device), samples=4).events()]


def losses(events: Sequence[Event]) -> np.ndarray:
    windows = [event for event in events if isinstance(event, StepsFinished)]
    return np.concatenate([np.stack((w.discriminator_loss, w.generator_loss), 1) for w in windows])


def assert_same(found: Sequence[Event], expected: Sequence[Event]) -> None:
    """Equal within rounding, with the same events in the same order; windows may be cut elsewhere."""
    kinds = [[type(e) for e in events if not isinstance(e, StepsFinished)] for events in (found, expected)]
    assert kinds[0] == kinds[1]
    np.testing.assert_allclose(losses(found), losses(expected), rtol=TOLERANCE, atol=TOLERANCE)
    ends = [[e for e in events if isinstance(e, EpochFinished)] for events in (found, expected)]
    for mine, theirs in zip(*ends, strict=True):
        assert (mine.step, mine.epoch) == (theirs.step, theirs.epoch)
        assert (mine.real_histogram.sum(), mine.metrics.keys()) == (
            theirs.real_histogram.sum(),
            theirs.metrics.keys(),
        )
        assert mine.metrics["loss/generator"] == pytest.approx(theirs.metrics["loss/generator"], abs=TOLERANCE)
        assert mine.metrics["grad_norm/generator"] == pytest.approx(theirs.metrics["grad_norm/generator"], rel=1e-2)


def test_thirty_runs_of_three_lengths_and_widths_through_four_slots() -> None:
    make = [
        lambda n=n: member(
            n, latent_dim=4 + n % 5, width=(8, 16, 40)[n % 3], epochs=1 + n // 10, lr=1e-4 * (1 + n % 4)
        )
        for n in range(30)
    ]
    events, trainer = through(4, make)
    assert sorted(events) == list(range(30))
    for number, each in enumerate(make):
        assert_same(events[number], alone(each))
    assert 0 < trainer.use.steps < trainer.use.steps_in_all
    assert trainer.use.used == trainer.use.steps  # no slot is empty while a run waits


VARIANTS = {
    "schedules": lambda n: (
        member(
            n,
            epochs=4,
            ema=0.9,
            schedule=("cosine", "linear", "constant")[n % 3],
            warmup_epochs=n % 2,
            ema_final=0.99,
        )
        if n % 3 != 2
        else member(n, epochs=4, ema=0.8)
    ),
    "instance noise and weight decay": lambda n: member(
        n, instance_noise=0.1 * (n % 3), weight_decay=0.01 * (n % 2), optimizer="adamw", dropout=0.2 * (n % 2)
    ),
    "momentum": lambda n: member(n, optimizer="rmsprop", momentum=0.5 * (n % 2)),
    "coefficients": lambda n: replace(
        member(n, penalty_final=None if n % 2 else 0.5, schedule="constant" if n % 2 else "linear"),
        objective=LeastSquares("l", real_target=1 - 0.1 * n, fake_target=0.0, generator_target=1.0),
        penalty=R1("r1", 0.1 * n),
    ),
    "terms that change": lambda n: replace(
        member(n), penalty=LeCam("lecam", 0.1 + 0.1 * n, 0.9, 2), augmentation=ada(0.1 * n)
    ),
    "convolutions with batch norm": lambda n: convolutional(n, 2 + n % 3),
    "spectral norm": lambda n: convolutional(n, 2 + n % 3, spectral_norm=True),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_whatever_a_run_has_comes_along_with_it(variant: str, device: str) -> None:
    make = [lambda n=n: VARIANTS[variant](n) for n in range(5)]
    events, _ = through(2, make, device)
    for number, each in enumerate(make):
        assert_same(events[number], alone(each, device))


def test_ends_of_all_kinds_change_nothing_for_the_others() -> None:
    """One run diverges, one stops early, one leaves at a rung and one is complete, all within one window."""

    def train(eventful: bool) -> dict[int, list[Event]]:
        others = [member(10, epochs=6), member(11, epochs=6, width=40)]
        four = [member(n, epochs=6 if eventful and n != 3 else 6 - 4 * eventful) for n in range(4)]
        if eventful:
            four[0] = member(0, epochs=6, lr=1e30)
            four[2] = replace(four[2], rungs=(2,))
        line = Line([Entry(20 + n, member(20 + n)) for n in range(6)] if eventful else [], leaves={2: 12})
        later = [member(0, width=40), member(0, width=8)]
        numbers = [0, 1, 2, 3, 10, 11]
        trainer = Trainer([*four, *others], DATA, device=CPU, samples=4, numbers=numbers, later=later, queue=line)
        events: dict[int, list[Event]] = {}
        for number, event in trainer.events():
            events.setdefault(number, []).append(event)
            if eventful and number == 1 and isinstance(event, EpochFinished) and event.epoch == 2:
                trainer.end(1)
        return events

    calm, eventful = train(False), train(True)
    ends = [[type(event) for event in eventful[n]][-1] for n in range(4)]
    assert ends == [Diverged, Completed, Left, Completed]
    assert [eventful[n][-1].step for n in (1, 2, 3)] == [12, 12, 12]
    assert {20, 21, 22, 23} <= eventful.keys()
    for number in (10, 11):
        assert np.array_equal(losses(eventful[number]), losses(calm[number]))
        states = [[e.state for e in of[number] if isinstance(e, CheckpointDue)] for of in (eventful, calm)]
        for mine, theirs in zip(*states, strict=True):
            for player in ("generator", "discriminator"):
                for name, tensor in mine["step_state"][player].items():
                    assert torch.equal(tensor, theirs["step_state"][player][name])


@pytest.mark.parametrize("rungs", [(), (3,)])
def test_a_run_that_ends_within_an_epoch_goes_on_from_there_and_the_others_do_not_notice(
    rungs: tuple[int, ...],
) -> None:
    """It has steps that nobody has heard of, because the other's epoch has just ended; a third run takes its slot."""

    def train(ends: bool, state: dict[str, Any] | None = None) -> dict[int, list[Event]]:
        pair = [member(0, epochs=6), replace(member(1, epochs=6), rungs=rungs)]
        start = next(e.state for e in alone(lambda: member(0, epochs=6)) if isinstance(e, CheckpointDue) and e.step)
        line = Line([Entry(2, replace(member(2), rungs=rungs))] if ends else [])
        trainer = Trainer(pair, DATA, device=CPU, samples=4, numbers=[0, 1], later=[member(2)], queue=line)
        trainer.load(start, 0)
        if state is not None:
            trainer.load(state, 1)
        events: dict[int, list[Event]] = {}
        for number, event in trainer.events():
            events.setdefault(number, []).append(event)
            if ends and number == 0 and isinstance(event, EpochFinished) and event.epoch == 4:
                trainer.end_here(1)
        return events

    whole, cut = train(False), train(True)
    assert [type(event) for event in cut[1]][-4:] == [SamplesDrawn, ProbabilitiesTaken, CheckpointDue, Completed]
    step, state = cut[1][-1].step, next(e.state for e in reversed(cut[1]) if isinstance(e, CheckpointDue))
    assert step not in {end.step for end in whole[1] if isinstance(end, EpochFinished)}
    assert np.array_equal(losses(cut[0]), losses(whole[0]))
    assert np.array_equal(losses(cut[1]), losses(whole[1])[:step])
    assert isinstance(cut[2][-1], Completed)
    resumed = train(False, state)
    assert np.array_equal(losses(resumed[1]), losses(whole[1])[step:])
    means = [
        [e.metrics["loss/generator"] for e in of if isinstance(e, EpochFinished)] for of in (resumed[1], whole[1])
    ]
    assert means[0] == means[1][-len(means[0]) :]


def test_runs_at_unequal_steps_go_on_together_and_in_their_slots_bit_for_bit() -> None:
    make = [lambda n=n: member(n, epochs=2 + n, width=(8, 40)[n % 2], checkpoint_every=1) for n in range(5)]
    whole, _ = through(3, make)
    kept = {
        number: next(e.state for e in events if isinstance(e, CheckpointDue) and e.epoch == number % 2)
        for number, events in whole.items()
    }
    members = [each() for each in make]
    later = [each() for each in make]
    line = Line([Entry(n, members[n], kept[n]) for n in (3, 4)])
    trainer = Trainer(members[:3], DATA, device=CPU, samples=4, later=later, queue=line)
    for n in range(3):
        trainer.load(kept[n], n)
    found: dict[int, list[Event]] = {}
    for number, event in trainer.events():
        found.setdefault(number, []).append(event)
    assert {kept[n]["step"] for n in range(3)} == {0, 6}
    for number, events in found.items():
        assert_same_losses = np.array_equal if number < 3 else np.allclose  # those three are in the slots of before
        assert assert_same_losses(losses(events), losses(whole[number])[kept[number]["step"] :])


def test_a_stack_that_is_stopped_between_the_ends_of_epochs_goes_on() -> None:
    """When the signal comes, two runs are in the middle of their epochs, and have steps that nobody has heard of."""
    make = [lambda n=n: member(n, epochs=4, width=8) for n in range(3)]
    start = {n: next(e.state for e in alone(make[n]) if isinstance(e, CheckpointDue) and e.step) for n in (1,)}

    def stack() -> Trainer:
        trainer = Trainer([each() for each in make], DATA, device=CPU, samples=4)
        trainer.load(start[1], 1)
        return trainer

    whole: dict[int, list[Event]] = {}
    for number, event in stack().events():
        whole.setdefault(number, []).append(event)
    trainer, parts, states = stack(), {}, {}
    for number, event in trainer.events():
        parts.setdefault(number, []).append(event)
        if isinstance(event, CheckpointDue):
            states[number] = event.state
        if number == 1 and isinstance(event, EpochFinished):
            trainer.request_stop()
    assert {type(events[-1]) for events in parts.values()} == {Stopped}
    assert len({state["step"] for state in states.values()}) == 2
    resumed = stack()
    for number, state in states.items():
        resumed.load(state, number)
    for number, event in resumed.events():
        parts[number].append(event)
    for number, events in parts.items():
        assert np.array_equal(losses(events), losses(whole[number]))
        ends = [
            [e.metrics["loss/generator"] for e in of if isinstance(e, EpochFinished)]
            for of in (events, whole[number])
        ]
        assert ends[0] == ends[1]


def test_a_stack_without_room_says_so_and_stays_as_it_is() -> None:
    def states(trainer: Trainer) -> list[torch.Tensor]:
        return [player.parameters.flat.clone() for player in (trainer._step.generator, trainer._step.discriminator)]

    trainer = Trainer([member(0), member(1)], DATA, device=CPU, samples=4)
    before = states(trainer)
    for other in (
        member(2, width=17),
        member(2, latent_dim=7),
        member(2, weight_decay=0.1),
        member(2, instance_noise=0.1),
        member(2, schedule="cosine"),
        replace(member(2), objective=LeastSquares("l", 1.0, 0.0, 1.0)),
        replace(member(2), penalty=R1("r1", 1.0)),
        convolutional(2, 3),
    ):
        with pytest.raises(UnstackableError):
            trainer._step.put(1, other)
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(before, states(trainer), strict=True))
    line = Line([Entry(7, member(2, width=17)), Entry(8, member(3))])
    stack = Trainer([member(0, epochs=1), member(1)], DATA, device=CPU, samples=4, queue=line)
    assert {number for number, _ in stack.events()} == {0, 1, 8}
    assert line.refused == [7]
