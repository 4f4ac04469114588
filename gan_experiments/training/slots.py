"""The slots of a stack: the places that runs take one after another, and where the runs come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from gan_experiments.data.batch_order import BatchStream
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.conditioning import whole_rows
from gan_experiments.training.counter_rng import fixed_latents
from gan_experiments.training.member import Member
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.statistics import EpochStatistics


class Entry(NamedTuple):
    """A run that takes a slot.

    Attributes:
        number: Its number, in all events.
        member: Networks, settings and terms.
        state: What ``Trainer.state`` returned when it left a slot before; None for a new run.
    """

    number: int
    member: Member
    state: dict[str, Any] | None = None


class Queue(Protocol):
    """Runs that wait for a slot. It is asked between steps, when their number changes nothing for runs at work."""

    def next(self, slot: int, check: Callable[[Member], object]) -> Entry | None:
        """Return the run that takes a free slot now, or None.

        Args:
            slot: The slot, counted from 0. How sums are rounded may depend on it.
            check: Raises ``UnstackableError`` for a member that the stack has no room for.
        """

    def is_waiting(self) -> bool:
        """Return whether any run waits for a slot."""
        ...

    def leaving(self, steps: Mapping[int, int]) -> Collection[int]:
        """Return those of the runs at work that leave their slots now, to go on later or never.

        Args:
            steps: Steps done by each run at work, by number.
        """
        ...


@dataclass
class Use:
    """What the slots of a stack were used for.

    Attributes:
        steps: Steps times slots, while any run waited for a slot.
        used: How many of these were a run's.
        steps_in_all: Steps times slots, the last runs included, when none waits any more.
        used_in_all: How many of these were a run's.
    """

    steps: int = 0
    used: int = 0
    steps_in_all: int = 0
    used_in_all: int = 0

    def add(self, count: int, slots: int, taken: int, is_waiting: bool) -> None:
        """Count ``count`` steps of ``slots`` slots, of which ``taken`` had a run."""
        self.steps_in_all += count * slots
        self.used_in_all += count * taken
        if is_waiting:
            self.steps += count * slots
            self.used += count * taken


@dataclass
class Slot:
    """A run in its slot.

    Attributes:
        number: The run's number.
        member: The run.
        length: Its steps and epochs.
        stream: The order of its batches.
        latents: The z of its samples.
        statistics: Measurements of its epoch.
        step: Generator updates finished.
        is_training: False before the first run comes, and when a run has ended.
        is_ending: Whether it completes with the epoch that it is in.
        ends_here: Whether it completes with the step that it is at.
        is_kept: Whether no other run takes the slot, though this one has left it: until the epoch's end.
        reported: How many of the steps since the last report to all runs it has had reported.
        clock: Seconds that the stack had computed when steps were reported to it last.
    """

    number: int
    member: Member
    length: RunLength
    stream: BatchStream
    latents: Tensor
    statistics: EpochStatistics = field(default_factory=EpochStatistics)
    step: int = 0
    is_training: bool = True
    is_ending: bool = False
    ends_here: bool = False
    is_kept: bool = False
    reported: int = 0
    clock: float = 0.0

    @classmethod
    def of(cls, number: int, member: Member, dataset: Dataset, samples: int) -> Slot:
        """Return the slot of a run at its beginning.

        Args:
            number: The run's number.
            member: The run.
            dataset: The data set that it learns.
            samples: Number of samples that are drawn at a time.
        """
        # Pictures of conditional networks have a column a class.
        rows = whole_rows(samples, member.networks.classes)
        return cls(
            number,
            member,
            RunLength.of(len(dataset), member.train),
            BatchStream(len(dataset), member.train.batch_size, member.seed),
            fixed_latents(rows, member.networks.latent_dim),
        )

    def leave(self) -> None:
        """End the run, wherever it is. With rungs its slot is free at its epoch's end, whenever it left."""
        self.is_training, self.is_kept = False, bool(self.member.rungs) and not self.is_at_end

    @property
    def is_at_end(self) -> bool:
        """Whether an epoch of it has just ended."""
        return self.is_complete or self.step == self.length.end_of(self.epoch)

    @property
    def epoch(self) -> int:
        """Passes over the data finished."""
        return self.length.finished(self.step)

    @property
    def is_complete(self) -> bool:
        """Whether its last step is done."""
        return self.step >= self.length.total_steps

    @property
    def left_in_epoch(self) -> int:
        """Steps to the end of the epoch that it is in."""
        return min(self.length.end_of(self.epoch + 1), self.length.total_steps) - self.step
