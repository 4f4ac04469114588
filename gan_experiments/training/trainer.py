"""Repeats the step and reports what happened, for one run or for a stack of runs."""

from __future__ import annotations

import copy
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.data.dataset import Dataset
from gan_experiments.models.conditioning import labels_in_turn, whole_rows
from gan_experiments.models.networks import apply, logits_of
from gan_experiments.training.arithmetic import arithmetic, threads_for
from gan_experiments.training.counter_rng import fixed_latents, step_keys
from gan_experiments.training.device import generators_kept
from gan_experiments.training.engine import make_engine
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
from gan_experiments.training.held_out import held_out
from gan_experiments.training.member import Member
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.slots import Entry, Queue, Slot, Use
from gan_experiments.training.statistics import EpochStatistics, Window, packed
from gan_experiments.training.step import AdversarialStep

WINDOW = 50
"""Steps that are computed before their statistics come to the host; results do not depend on it."""


class Trainer:
    """Trains networks of any architecture, and yields events.

    Several members train as one stacked program, each as it would train alone. The stack has slots: a run has its own
    step, length, order of batches and statistics, and when it ends, its slot takes the next one that waits, without
    building or capturing anything anew. One that diverges is reported and leaves. The idea is that of continuous
    batching, by which servers of language models take requests in and out of a batch (Yu et al., "Orca", OSDI 2022),
    applied to training runs.

    Args:
        members: The runs that begin, one a slot; None for a slot that is empty at first, not in all of them.
        dataset: The data set to learn.
        device: The device to train on.
        samples: Number of samples to draw at a time, from one z that is the same in every run.
        sample_every: Epochs between draws.
        numbers: The runs' numbers in all events; by default those of their slots, counted from 0.
        later: Runs that may come; of their networks only the largest shapes matter.
        queue: Where they come from.

    Attributes:
        use: What the slots were used for.
        threads: Threads of a processor that compute steps; None for torch's own number.
    """

    def __init__(
        self,
        members: Sequence[Member | None],
        dataset: Dataset,
        *,
        device: torch.device,
        samples: int = 64,
        sample_every: int = 5,
        numbers: Sequence[int] | None = None,
        later: Sequence[Member] = (),
        queue: Queue | None = None,
    ) -> None:
        self._dataset, self._device, self._queue = dataset, device, queue
        first = next(member for member in members if member is not None)
        self._train, self._samples, self._sample_every = first.train, samples, sample_every
        rows = [_placeholder(first) if member is None else member for member in members]
        for member in (*rows, *later):
            _to_train(member, device)
        names = iter(range(len(rows)) if numbers is None else numbers)
        self._slots = [
            replace(Slot.of(-1, row, dataset, samples), is_training=False)
            if member is None
            else Slot.of(next(names), row, dataset, samples)
            for member, row in zip(members, rows, strict=True)
        ]
        self._step = AdversarialStep(rows, dataset, dataset.samples.to(device), later)
        self._engine = make_engine(self._train.engine, self._step, device)
        networks = [member.networks for member in (*rows, *later)]
        self.threads = threads_for(networks, len(rows) * self._train.batch_size, device)
        classes = first.networks.classes
        self._sample_labels = (
            None if classes is None else labels_in_turn(whole_rows(samples, classes), classes).to(device)
        )
        self._held_out = held_out(dataset, classes is not None, device)
        self._unreported: list[Tensor] = []  # measurements of steps since the last report to all runs, on the device
        self._clock, self._stop = 0.0, False
        self.use = Use()

    @property
    def step(self) -> int:
        """Generator updates that the first slot's run has finished."""
        return self._slots[0].step

    @property
    def epoch(self) -> int:
        """Passes over the data that the first slot's run has finished."""
        return self._slots[0].epoch

    @property
    def length(self) -> RunLength:
        """Steps and epochs of the first slot's run."""
        return self._slots[0].length

    def _row(self, number: int) -> int:
        """Return the slot in which a run is."""
        return next(i for i, slot in enumerate(self._slots) if slot.number == number)

    def slot(self, number: int = 0) -> Slot:
        """Return a run's place and progress."""
        return self._slots[self._row(number)]

    def generator(self, k: int = 0) -> nn.Module:
        """Return the generator that run ``k``'s samples and scores use: averaged where ``train.ema`` is on."""
        return self._step.sampler(self._row(k))

    def request_stop(self) -> None:
        """Stop after the present window; for signal handlers."""
        self._stop = True

    def end(self, k: int) -> None:
        """Complete run ``k`` with the epoch that it has just finished; the others continue."""
        self.slot(k).is_ending = True

    def end_here(self, k: int) -> None:
        """Complete run ``k`` after the present window, with the step that it is at then; the others continue."""
        self.slot(k).ends_here = True

    def events(self, until: int | None = None) -> Iterator[tuple[int, Event]]:
        """Train to the end; each event comes with its run's number.

        The state in a ``CheckpointDue`` is valid until the next event is asked for.

        Args:
            until: Stop when the first slot's run has done so many steps, as ``request_stop`` does; None for its end.
        """
        for slot in self._training():
            yield from self._begin(slot)
        while True:
            yield from self._end_here([slot for slot in self._training() if slot.ends_here])
            if self._stop or self.step == until:
                yield from self._report_rest(self._training())
                for slot in self._training():
                    yield from self._leave(slot, Stopped(slot.step, slot.epoch))
                return
            yield from self._fill()
            if not self._training():
                return
            yield from self._train_window(None if until is None else until - self.step)

    def _training(self) -> list[Slot]:
        """Return the slots with runs, in the order of the runs' numbers."""
        return sorted((slot for slot in self._slots if slot.is_training), key=lambda slot: slot.number)

    # Runs come and go.

    def _fill(self) -> Iterator[tuple[int, Event]]:
        """Let waiting runs take the slots that are free."""
        if self._queue is None:
            return
        for i, slot in enumerate(self._slots):
            while (
                not slot.is_training
                and not slot.is_kept
                and (entry := self._queue.next(i, self._step.check_room)) is not None
            ):
                slot = self._slots[i] = self._put(i, entry)
                yield from self._begin(slot)

    def _put(self, i: int, entry: Entry) -> Slot:
        _to_train(entry.member, self._device)
        self._step.put(i, entry.member)
        slot = self._slots[i] = Slot.of(entry.number, entry.member, self._dataset, self._samples)
        slot.reported, slot.clock = sum(map(len, self._unreported)), self._clock
        if entry.state is not None:
            self.load(entry.state, entry.number)
        return slot

    def _begin(self, slot: Slot) -> Iterator[tuple[int, Event]]:
        if slot.is_complete:
            yield from self._complete(slot)
        elif slot.step == 0:
            yield slot.number, self._draw_samples(slot)
            yield from self._leave(slot, None)

    def _end_here(self, slots: Sequence[Slot]) -> Iterator[tuple[int, Event]]:
        yield from self._report_rest(slots)
        for slot in slots:
            if slot.is_training:  # else a step that was not reported yet has shown that it diverged
                slot.leave()
                yield slot.number, self._draw_samples(slot)
                yield from self._complete(slot)

    def _complete(self, slot: Slot) -> Iterator[tuple[int, Event]]:
        yield slot.number, self._take_probabilities(slot)
        yield from self._leave(slot, Completed(slot.step, slot.epoch))

    # Steps.

    def _train_window(self, most: int | None) -> Iterator[tuple[int, Event]]:
        """Take steps, at most so many, up to the next end of some run's epoch, or the next report to all runs."""
        training, kept = self._training(), [slot for slot in self._slots if slot.is_kept]
        done = sum(map(len, self._unreported))
        count = min(WINDOW - done, *(slot.left_in_epoch for slot in (*training, *kept)))
        count = count if most is None else min(count, most)
        waits = self._queue is not None and self._queue.is_waiting()
        self.use.add(count, len(self._slots), len(training), waits)
        started = time.perf_counter()
        with arithmetic(self._train.precision, self.threads):
            self._unreported.append(packed(self._engine(*self._inputs(count)), len(self._slots)))
        for slot in (*training, *kept):
            slot.step += count
            slot.is_kept = slot.is_kept and not slot.is_at_end
        at_end = [slot for slot in training if slot.is_at_end]
        is_full = done + count == WINDOW or len(at_end) == len(training)
        due = training if is_full else at_end
        windows = self._fetch(due) if due else []
        if is_full:
            self._unreported = []
        self._clock += time.perf_counter() - started
        for slot, window in zip(due, windows, strict=True):
            yield from self._report(slot, window)
            slot.reported = 0 if is_full else done + count
        yield from self._finish_epochs([slot for slot in at_end if slot.is_training])

    def _report_rest(self, slots: Sequence[Slot]) -> Iterator[tuple[int, Event]]:
        """Report what was not yet: a checkpoint counts everything before it as recorded."""
        pending = sum(map(len, self._unreported))
        slots = [slot for slot in slots if slot.reported < pending]
        for slot, window in zip(slots, self._fetch(slots) if slots else [], strict=True):
            slot.reported = pending
            yield from self._report(slot, window)

    def _fetch(self, slots: Sequence[Slot]) -> list[Window]:
        """Bring the measurements that were not reported yet to the host, in one transfer."""
        since = min(slot.reported for slot in slots)
        rows = [self._row(slot.number) for slot in slots]
        fetched = torch.cat(self._unreported)[since:, rows].cpu()
        return [Window.of(slot.step, fetched[slot.reported - since :, i]) for i, slot in enumerate(slots)]

    def _inputs(self, count: int) -> tuple[Tensor, Tensor]:
        """Return batch indices and noise keys of the next steps, on the device, with the steps in front."""
        updates, size = self._train.discriminator_steps, self._train.batch_size
        batches, keys = [], []
        for slot in self._slots:
            if slot.is_training:
                indices = slot.stream.indices(slot.step * updates, count * updates)
                batches.append(indices.unflatten(0, (count, updates)))
                keys.append(step_keys(slot.member.seed, slot.step, count))
            else:  # an empty slot computes, too, and nobody looks
                batches.append(torch.zeros(count, updates, size, dtype=torch.int64))
                keys.append(torch.zeros(count, 2, dtype=torch.int32))
        if len(self._slots) == 1:
            return batches[0].to(self._device), keys[0].to(self._device)
        # [steps, K, updates, B] and [steps, K, 2]
        return torch.stack(batches, 1).to(self._device), torch.stack(keys, 1).to(self._device)

    def _report(self, slot: Slot, window: Window) -> Iterator[tuple[int, Event]]:
        seconds, slot.clock = self._clock - slot.clock, self._clock
        failure = window.first_not_finite()
        if failure is not None:
            window = window.before(failure[0])
        if len(window):
            loss_d, loss_g = window.losses.numpy().T
            real, fake = window.probabilities.mean(2).numpy().T
            last, rate = window.first + len(window) - 1, len(window) / max(seconds, 1e-9)
            epoch = slot.length.fraction(last)
            yield slot.number, StepsFinished(last, epoch, loss_d, loss_g, real, fake, rate)
        if failure is not None:
            step, reason = failure
            slot.leave()
            yield slot.number, Diverged(step, slot.length.finished(step - 1), reason)
            return
        slot.statistics.add(window, seconds)

    def _finish_epochs(self, slots: Sequence[Slot]) -> Iterator[tuple[int, Event]]:
        """Report the ends of epochs; then runs that have reached their own end leave, and those that are asked to."""
        for slot in slots:
            statistics, slot.statistics = slot.statistics, EpochStatistics()
            metrics = statistics.metrics() | self._step.measurements(self._row(slot.number)) | self._of_held_out(slot)
            yield slot.number, EpochFinished(slot.step, slot.epoch, metrics, *statistics.histograms)
            is_drawn = slot.epoch % self._sample_every == 0 or slot.epoch in slot.member.rungs
            if is_drawn or slot.is_complete or slot.is_ending:
                yield slot.number, self._draw_samples(slot)
        for slot in slots:
            if slot.is_complete or slot.is_ending:
                yield from self._complete(slot)
        leaving: Collection[int] = ()
        if self._queue is not None:
            leaving = self._queue.leaving({slot.number: slot.step for slot in self._training()})
        for slot in slots:
            if slot.is_training and slot.number in leaving:
                yield from self._leave(slot, Left(slot.step, slot.epoch))
            elif slot.is_training and slot.epoch % slot.member.train.checkpoint_every == 0:
                yield from self._leave(slot, None)

    def _leave(self, slot: Slot, last: Event | None) -> Iterator[tuple[int, Event]]:
        """Yield a checkpoint, if every weight is finite, then ``last``, with which the run leaves its slot."""
        state = self.state(slot.number)
        broken = next(
            (
                f"{player}.{name}"
                for player in ("generator", "discriminator")
                for name, tensor in state["step_state"][player].items()
                if tensor.is_floating_point() and not bool(tensor.isfinite().all())
            ),
            None,
        )
        if broken is not None:
            slot.leave()
            reason = f"the weight {broken} is not finite after step {slot.step}"
            yield slot.number, Diverged(slot.step, slot.epoch, reason)
            return
        yield slot.number, CheckpointDue(slot.step, slot.epoch, state)
        if last is not None:
            yield slot.number, last
            slot.is_training = False

    @torch.no_grad()
    def _draw_samples(self, slot: Slot) -> SamplesDrawn:
        generator = self.generator(slot.number).eval()
        with generators_kept(self._device):  # sampling must not advance what training draws from
            drawn = apply(generator, slot.latents.to(self._device), self._sample_labels)
            samples = self._dataset.denormalise(drawn).cpu()
        generator.train()
        return SamplesDrawn(slot.step, slot.epoch, samples)

    @torch.no_grad()
    def _take_probabilities(self, slot: Slot) -> ProbabilitiesTaken:
        indices = slot.stream.indices(slot.step * self._train.discriminator_steps, 1)[0].to(self._device)
        real, labels = self._step.real_batch(indices)
        latents = fixed_latents(self._train.batch_size, slot.latents.shape[1]).to(self._device)
        discriminator = self._step.discriminator.parameters.member(self._row(slot.number)).eval()
        generator = self.generator(slot.number).eval()
        with generators_kept(self._device):
            generated = apply(generator, latents, labels)
            logits = [logits_of(apply(discriminator, x, labels)) for x in (real, generated)]
            probabilities = [torch.sigmoid(side.flatten().float()) for side in logits]
        discriminator.train()
        generator.train()
        return ProbabilitiesTaken(slot.step, slot.epoch, *(p.cpu().numpy() for p in probabilities))

    def _of_held_out(self, slot: Slot) -> dict[str, float]:
        if self._held_out is None:
            return {}
        row = self._row(slot.number)
        discriminator, generator = (
            player.parameters.member(row).eval() for player in (self._step.discriminator, self._step.generator)
        )
        with generators_kept(self._device):
            metrics = self._held_out.metrics(discriminator, generator, slot.member.networks.latent_dim)
        discriminator.train()
        generator.train()
        return metrics

    def state(self, k: int = 0) -> dict[str, Any]:
        """Return all that run ``k``'s future depends on; batches and noise are functions of seed and step."""
        cuda = [torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else []
        slot = self.slot(k)
        return {
            "step": slot.step,
            "seed": slot.member.seed,
            "step_state": self._step.state(self._row(k)),
            "statistics": slot.statistics.state(),
            # Only networks that draw numbers of their own depend on these.
            "generator_states": [torch.get_rng_state(), *cuda],
        }

    def load(self, state: dict[str, Any], k: int = 0) -> None:
        """Continue run ``k`` from what ``state`` returned, alone or in any slot of any stack."""
        slot = self.slot(k)
        slot.step = state["step"]
        self._step.load(self._row(k), state["step_state"])
        slot.statistics.load(state["statistics"])
        if len(self._slots) > 1:
            return  # no network of a stack draws numbers of its own
        cpu, *cuda = state["generator_states"]
        torch.set_rng_state(cpu)
        if cuda and self._device.type == "cuda":
            torch.cuda.set_rng_state(cuda[0], self._device)


def _to_train(member: Member, device: torch.device) -> None:
    member.networks.generator.to(device).train()
    member.networks.discriminator.to(device).train()


def _placeholder(member: Member) -> Member:
    """Return a member for a slot that no run has taken yet."""
    return replace(member, networks=copy.deepcopy(member.networks))
