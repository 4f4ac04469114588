"""Repeats the step and reports what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.config import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.data.stream import BatchStream
from gan_experiments.models.networks import Networks
from gan_experiments.objectives import Objective
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
from gan_experiments.training.noise import fixed_latents, step_keys
from gan_experiments.training.statistics import EpochStatistics, Window
from gan_experiments.training.step import AdversarialStep

WINDOW = 50
"""Steps that are computed before their statistics come to the host; results do not depend on it."""


class Trainer:
    """Trains one pair of networks, whatever they are, and yields events.

    Args:
        networks: Generator and discriminator.
        objective: The losses.
        dataset: What is learnt.
        train: How.
        seed: Seed of the batches' order and of all noise.
        device: Where.
        samples: How many samples to draw at a time, from one z that is the same in every run.
        sample_every: Epochs between draws.

    Attributes:
        step: Generator updates finished.
        epoch: Passes over the data finished.
        total_steps: Generator updates in all: every sample is seen ``epochs`` times, every batch is full.
    """

    def __init__(
        self,
        networks: Networks,
        objective: Objective,
        dataset: Dataset,
        train: TrainConfig,
        *,
        seed: int,
        device: torch.device,
        samples: int = 64,
        sample_every: int = 5,
    ) -> None:
        self._dataset, self._train, self._seed, self._device = dataset, train, seed, device
        self._sample_every = sample_every
        networks.generator.to(device).train()
        networks.discriminator.to(device).train()
        self._samples = dataset.samples.to(device)
        self._step = AdversarialStep(networks, objective, dataset, self._samples, train)
        self._stream = BatchStream(len(dataset), train.batch_size, seed)
        self._latents = fixed_latents(samples, networks.latent_dim).to(device)
        self._statistics = EpochStatistics()
        self._stop = False
        self.step = 0
        self.epoch = 0
        self.total_steps = self._end_of_epoch(train.epochs)

    def _end_of_epoch(self, epoch: int) -> int:
        """Steps after which every sample has been seen ``epoch`` times."""
        return -(-epoch * len(self._dataset) // (self._train.batch_size * self._train.discriminator_steps))

    @property
    def generator(self) -> nn.Module:
        """The generator that samples and scores use: averaged where ``train.ema`` is on."""
        return self._step.sampler

    def request_stop(self) -> None:
        """Stop after the window at work; for signal handlers."""
        self._stop = True

    def events(self) -> Iterator[Event]:
        """Train to the end. What a ``CheckpointDue`` carries is valid until the next event is asked for."""
        if self.step == 0:
            yield self._draw_samples()
        while self.step < self.total_steps:
            if self._stop:
                yield from self._leave(Stopped(self.step, self.epoch))
                return
            for event in self._train_window():
                yield event
                if isinstance(event, Diverged):
                    return
        yield self._take_probabilities()
        yield from self._leave(Completed(self.step, self.epoch))

    def _train_window(self) -> Iterator[Event]:
        end = min(self._end_of_epoch(self.epoch + 1), self.total_steps)
        count = min(WINDOW, end - self.step)
        updates = self._train.discriminator_steps
        started = time.perf_counter()
        indices = self._stream.indices(self.step * updates, count * updates).view(count, updates, -1).to(self._device)
        keys = step_keys(self._seed, self.step, count).to(self._device)
        with arithmetic(self._train.precision):
            window = Window.fetch(self.step + 1, [self._step(indices[i], keys[i]) for i in range(count)])
        seconds = time.perf_counter() - started
        failure = window.first_not_finite()
        if failure is not None:
            window = window.before(failure[0])
        if len(window):
            yield self._steps_finished(window, seconds)
        if failure is not None:
            yield Diverged(failure[0], self.epoch, failure[1])
            return
        self.step += count
        self._statistics.add(window, seconds)
        if self.step == end:
            yield from self._finish_epoch()

    def _steps_finished(self, window: Window, seconds: float) -> StepsFinished:
        last = window.first + len(window) - 1
        seen = last * self._train.batch_size * self._train.discriminator_steps
        real, fake = window.probabilities.mean(2).numpy().T
        loss_d, loss_g = window.losses.numpy().T
        return StepsFinished(
            step=last,
            epoch=min(seen / len(self._dataset), float(self._train.epochs)),
            discriminator_loss=loss_d,
            generator_loss=loss_g,
            prob_real=real,
            prob_fake=fake,
            steps_per_second=len(window) / max(seconds, 1e-9),
        )

    def _finish_epoch(self) -> Iterator[Event]:
        # With several batches a step an epoch can be shorter than a step: then several end together.
        while self.epoch < self._train.epochs and self._end_of_epoch(self.epoch + 1) <= self.step:
            self.epoch += 1
        metrics = self._statistics.metrics()
        metrics["grad_norm/discriminator"] = float(self._step.discriminator.gradient.norm())
        metrics["grad_norm/generator"] = float(self._step.generator.gradient.norm())
        yield EpochFinished(self.step, self.epoch, metrics, *self._statistics.histograms)
        self._statistics = EpochStatistics()
        last = self.step == self.total_steps
        if self.epoch % self._sample_every == 0 or last:
            yield self._draw_samples()
        if self.epoch % self._train.checkpoint_every == 0 and not last:
            yield from self._leave(None)

    def _leave(self, last: Event | None) -> Iterator[Event]:
        """A checkpoint, if every weight is finite, then ``last``."""
        state = self.state()
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
            yield Diverged(self.step, self.epoch, f"the weight {broken} is not finite after step {self.step}")
            return
        yield CheckpointDue(self.step, self.epoch, state)
        if last is not None:
            yield last

    @torch.no_grad()
    def sample(self, latents: Tensor) -> Tensor:
        """Samples for ``latents [n, latent_dim]``: uint8 ``[n, C, H, W]`` or float32 ``[n, D]``, on the host."""
        generator = self.generator.eval()
        try:
            return self._dataset.denormalise(generator(latents.to(self._device))).cpu()
        finally:
            generator.train(generator is not self._step.generator_average)

    def _draw_samples(self) -> SamplesDrawn:
        return SamplesDrawn(self.step, self.epoch, self.sample(self._latents))

    @torch.no_grad()
    def _take_probabilities(self) -> ProbabilitiesTaken:
        batch = self._train.batch_size
        indices = self._stream.indices(self.step * self._train.discriminator_steps, 1)[0].to(self._device)
        real = self._dataset.normalise(self._samples.index_select(0, indices))
        latents = fixed_latents(batch, self._latents.shape[1]).to(self._device)
        discriminator, generator = self._step.discriminator.network.eval(), self.generator.eval()
        probabilities = [torch.sigmoid(discriminator(x).flatten().float()) for x in (real, generator(latents))]
        discriminator.train()
        generator.train(generator is not self._step.generator_average)
        return ProbabilitiesTaken(self.step, self.epoch, *(p.cpu().numpy() for p in probabilities))

    def state(self) -> dict[str, Any]:
        """Everything the future of the run depends on. Batches and noise are functions of seed and step."""
        cuda = [torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else []
        return {
            "step": self.step,
            "epoch": self.epoch,
            "seed": self._seed,
            "step_state": self._step.state(),
            "statistics": self._statistics.state(),
            # Only networks that draw numbers of their own depend on these.
            "generator_states": [torch.get_rng_state(), *cuda],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` gave."""
        self.step, self.epoch = state["step"], state["epoch"]
        self._step.load(state["step_state"])
        self._statistics.load(state["statistics"])
        cpu, *cuda = state["generator_states"]
        torch.set_rng_state(cpu)
        if cuda and self._device.type == "cuda":
            torch.cuda.set_rng_state(cuda[0], self._device)


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """float32 products in TF32 where ``precision`` is ``tf32``, in full elsewhere; put back afterwards."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
