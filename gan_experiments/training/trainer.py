"""Repeats the step and reports what happened, for one run or for a stack of runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.data.batch_order import BatchStream
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.conditioning import labels_in_turn, whole_rows
from gan_experiments.models.networks import apply, logits_of
from gan_experiments.training.counter_rng import fixed_latents, step_keys
from gan_experiments.training.engine import make_engine
from gan_experiments.training.events import (
    CheckpointDue,
    Completed,
    Diverged,
    EpochFinished,
    Event,
    ProbabilitiesTaken,
    SamplesDrawn,
    StepsFinished,
    Stopped,
)
from gan_experiments.training.held_out import held_out
from gan_experiments.training.member import Member
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.statistics import EpochStatistics, Window, fetch
from gan_experiments.training.step import AdversarialStep

WINDOW = 50
"""Steps that are computed before their statistics come to the host; results do not depend on it."""


class Trainer:
    """Trains networks of any architecture, and yields events.

    Several members train as one stacked program, each as it would train alone. One that diverges is reported and
    then ignored.

    Args:
        members: The runs.
        dataset: The data set to learn.
        device: The device to train on.
        samples: Number of samples to draw at a time, from one z that is the same in every run.
        sample_every: Epochs between draws.

    Attributes:
        length: Its steps and epochs.
        step: Generator updates finished.
    """

    def __init__(
        self,
        members: Sequence[Member],
        dataset: Dataset,
        *,
        device: torch.device,
        samples: int = 64,
        sample_every: int = 5,
    ) -> None:
        self._members, self._dataset, self._device = members, dataset, device
        self._train, self._sample_every = members[0].train, sample_every
        for member in members:
            member.networks.generator.to(device).train()
            member.networks.discriminator.to(device).train()
        self._samples = dataset.samples.to(device)
        self._step = AdversarialStep(members, dataset, self._samples)
        self._engine = make_engine(self._train.engine, self._step, device)
        self._streams = [BatchStream(len(dataset), self._train.batch_size, m.seed) for m in members]
        # Pictures of conditional networks have a column a class.
        classes = members[0].networks.classes
        samples = whole_rows(samples, classes)
        self._latents = [fixed_latents(samples, member.networks.latent_dim) for member in members]
        self._sample_labels = None if classes is None else labels_in_turn(samples, classes).to(device)
        self._held_out = held_out(dataset, classes is not None, device)
        self._statistics = [EpochStatistics() for _ in members]
        self._alive = [True] * len(members)
        self._ending: set[int] = set()
        self._stop = False
        self.step = 0
        self.length = RunLength.of(len(dataset), self._train)

    @property
    def epoch(self) -> int:
        """Passes over the data finished."""
        return self.length.finished(self.step)

    def generator(self, k: int = 0) -> nn.Module:
        """Return the generator that member ``k``'s samples and scores use: averaged where ``train.ema`` is on."""
        return self._step.sampler(k)

    def request_stop(self) -> None:
        """Stop after the present window; for signal handlers."""
        self._stop = True

    def end(self, k: int) -> None:
        """Complete member ``k`` with the epoch that it has just finished; the others continue."""
        self._ending.add(k)

    def events(self) -> Iterator[tuple[int, Event]]:
        """Train to the end; each event comes with its member's number.

        The state in a ``CheckpointDue`` is valid until the next event is asked for.
        """
        if self.step == 0:
            for k in self._living():
                yield k, self._draw_samples(k)
                yield from self._leave(k, None)
        while self.step < self.length.total_steps and any(self._alive):
            if self._stop:
                for k in self._living():
                    yield from self._leave(k, Stopped(self.step, self.epoch))
                return
            yield from self._train_window()
        for k in self._living():
            yield from self._complete(k)

    def _complete(self, k: int) -> Iterator[tuple[int, Event]]:
        yield k, self._take_probabilities(k)
        yield from self._leave(k, Completed(self.step, self.epoch))

    def _living(self) -> list[int]:
        return [k for k, alive in enumerate(self._alive) if alive]

    def _train_window(self) -> Iterator[tuple[int, Event]]:
        end = min(self.length.end_of(self.epoch + 1), self.length.total_steps)
        count = min(WINDOW, end - self.step)
        started = time.perf_counter()
        indices, keys = self._inputs(count)
        with arithmetic(self._train.precision):
            windows = fetch(self.step + 1, self._engine(indices, keys), len(self._members))
        seconds = time.perf_counter() - started
        self.step += count
        for k in self._living():
            yield from self._report(k, windows[k], seconds)
        if self.step == end:
            measured = {name: values.tolist() for name, values in self._step.measurements().items()}
            scheduled = self._step.scheduled()
            for k in self._living():
                own = {name: values[k] for name, values in measured.items()}
                yield from self._finish_epoch(k, own | scheduled[k] | self._of_held_out(k))

    def _inputs(self, count: int) -> tuple[Tensor, Tensor]:
        """Return batch indices and noise keys of the next steps, on the device, with the steps in front."""
        updates = self._train.discriminator_steps
        batches = [
            s.indices(self.step * updates, count * updates).unflatten(0, (count, updates)) for s in self._streams
        ]
        keys = [step_keys(member.seed, self.step, count) for member in self._members]
        if len(self._members) == 1:
            return batches[0].to(self._device), keys[0].to(self._device)
        # [steps, K, updates, B] and [steps, K, 2]
        return torch.stack(batches, 1).to(self._device), torch.stack(keys, 1).to(self._device)

    def _report(self, k: int, window: Window, seconds: float) -> Iterator[tuple[int, Event]]:
        failure = window.first_not_finite()
        if failure is not None:
            window = window.before(failure[0])
        if len(window):
            loss_d, loss_g = window.losses.numpy().T
            real, fake = window.probabilities.mean(2).numpy().T
            last, rate = window.first + len(window) - 1, len(window) / max(seconds, 1e-9)
            yield k, StepsFinished(last, self.length.fraction(last), loss_d, loss_g, real, fake, rate)
        if failure is not None:
            step, reason = failure
            self._alive[k] = False
            yield k, Diverged(step, self.length.finished(step - 1), reason)
            return
        self._statistics[k].add(window, seconds)

    def _finish_epoch(self, k: int, measured: dict[str, float]) -> Iterator[tuple[int, Event]]:
        statistics, self._statistics[k] = self._statistics[k], EpochStatistics()
        yield k, EpochFinished(self.step, self.epoch, statistics.metrics() | measured, *statistics.histograms)
        last = self.step == self.length.total_steps
        if self.epoch % self._sample_every == 0 or last or k in self._ending:
            yield k, self._draw_samples(k)
        if k in self._ending and not last:
            yield from self._complete(k)
            self._alive[k] = False
        elif self.epoch % self._train.checkpoint_every == 0 and not last:
            yield from self._leave(k, None)

    def _leave(self, k: int, last: Event | None) -> Iterator[tuple[int, Event]]:
        """Yield a checkpoint, if every weight is finite, then ``last``."""
        state = self.state(k)
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
            self._alive[k] = False
            yield k, Diverged(self.step, self.epoch, f"the weight {broken} is not finite after step {self.step}")
            return
        yield k, CheckpointDue(self.step, self.epoch, state)
        if last is not None:
            yield k, last

    @torch.no_grad()
    def _draw_samples(self, k: int) -> SamplesDrawn:
        generator = self.generator(k).eval()
        with self._global_generator_kept():
            drawn = apply(generator, self._latents[k].to(self._device), self._sample_labels)
            samples = self._dataset.denormalise(drawn).cpu()
        generator.train()
        return SamplesDrawn(self.step, self.epoch, samples)

    @torch.no_grad()
    def _take_probabilities(self, k: int) -> ProbabilitiesTaken:
        indices = self._streams[k].indices(self.step * self._train.discriminator_steps, 1)[0].to(self._device)
        real, labels = self._step.real_batch(indices)
        latents = fixed_latents(self._train.batch_size, self._latents[k].shape[1]).to(self._device)
        discriminator, generator = self._step.discriminator.parameters.member(k).eval(), self.generator(k).eval()
        with self._global_generator_kept():
            generated = apply(generator, latents, labels)
            logits = [logits_of(apply(discriminator, x, labels)) for x in (real, generated)]
            probabilities = [torch.sigmoid(side.flatten().float()) for side in logits]
        discriminator.train()
        generator.train()
        return ProbabilitiesTaken(self.step, self.epoch, *(p.cpu().numpy() for p in probabilities))

    def _of_held_out(self, k: int) -> dict[str, float]:
        if self._held_out is None:
            return {}
        discriminator, generator = (
            player.parameters.member(k).eval() for player in (self._step.discriminator, self._step.generator)
        )
        with self._global_generator_kept():
            metrics = self._held_out.metrics(discriminator, generator, self._members[k].networks.latent_dim)
        discriminator.train()
        generator.train()
        return metrics

    def _global_generator_kept(self) -> AbstractContextManager[None]:
        """Keep the global random generator as it is: sampling must not advance what training draws from it."""
        return torch.random.fork_rng([self._device] if self._device.type == "cuda" else [])

    def state(self, k: int = 0) -> dict[str, Any]:
        """Return all that member ``k``'s future depends on; batches and noise are functions of seed and step."""
        cuda = [torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else []
        return {
            "step": self.step,
            "seed": self._members[k].seed,
            "step_state": self._step.state(k),
            "statistics": self._statistics[k].state(),
            # Only networks that draw numbers of their own depend on these.
            "generator_states": [torch.get_rng_state(), *cuda],
        }

    def load(self, state: dict[str, Any], k: int = 0) -> None:
        """Continue member ``k`` from what ``state`` returned; all members of a stack continue from one step."""
        self.step = state["step"]
        self._step.load(k, state["step_state"])
        self._statistics[k].load(state["statistics"])
        cpu, *cuda = state["generator_states"]
        torch.set_rng_state(cpu)
        if cuda and self._device.type == "cuda":
            torch.cuda.set_rng_state(cuda[0], self._device)


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Compute float32 products in TF32 where ``precision`` is ``tf32``, in full otherwise, inside this context."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
