"""The adversarial step: the one function that training repeats."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan_experiments.config import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.networks import Networks
from gan_experiments.objectives import Objective
from gan_experiments.training.adam import Adam
from gan_experiments.training.noise import MaskSpec, StepNoise
from gan_experiments.training.player import Player


class StepStatistics(NamedTuple):
    """What a step measured, on the device.

    Attributes:
        discriminator_loss: Scalar, of the step's last update of D.
        generator_loss: Scalar.
        real_logits: ``[B]``, of D before its last update, dropout active.
        fake_logits: ``[B]``, likewise.
    """

    discriminator_loss: Tensor
    generator_loss: Tensor
    real_logits: Tensor
    fake_logits: Tensor


class AdversarialStep:
    """``discriminator_steps`` updates of D, then one of G (Goodfellow et al., 2014, algorithm 1).

    Reads nothing but its arguments and the tensors it owns, updates those in place, and never waits for the
    device: no file, no ``.item()``, no generator state. So it can be repeated, captured or stacked.

    Args:
        networks: Generator and discriminator, on the device.
        objective: The losses.
        dataset: For normalisation.
        samples: The data set's samples, on the device.
        train: Batch size, learning rates, betas, discriminator steps, precision, EMA.

    Attributes:
        generator_average: The generator with averaged weights, or None where ``train.ema`` is off.
    """

    def __init__(
        self, networks: Networks, objective: Objective, dataset: Dataset, samples: Tensor, train: TrainConfig
    ) -> None:
        device, batch = samples.device, train.batch_size
        self._objective, self._dataset, self._samples = objective, dataset, samples
        self._per_sample = networks.per_sample
        self._one_pass = networks.per_sample and networks.constant_rows
        self._updates = train.discriminator_steps
        self._autocast = train.precision == "bf16"
        self.generator = Player(networks.generator, torch.zeros(2, networks.latent_dim, device=device))
        self.discriminator = Player(
            networks.discriminator, dataset.normalise(samples[:1].expand(2, *samples.shape[1:]))
        )
        lr_g = train.lr if train.generator_lr is None else train.generator_lr
        lr_d = train.lr if train.discriminator_lr is None else train.discriminator_lr
        betas = (train.betas[0], train.betas[1])
        self._adam_g = Adam(self.generator.flat, lr_g, betas)
        self._adam_d = Adam(self.discriminator.flat, lr_d, betas)
        self._ema = train.ema
        self.generator_average = (
            None if train.ema is None else copy.deepcopy(networks.generator).requires_grad_(False)
        )

        updates, g, d = self._updates, self.generator, self.discriminator
        uses = [(g, (updates + 1) * batch), *[(d, 2 * batch)] * updates, (d, batch)]
        masks = [
            MaskSpec(rows, shape, p)
            for player, rows in uses
            for shape, p in zip(player.mask_shapes, player.mask_probabilities, strict=True)
        ]
        self._noise = StepNoise((updates + 1) * batch, networks.latent_dim, masks, device)

    def __call__(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        """Train one step.

        Args:
            indices: Which samples each update of D sees, int64 ``[discriminator_steps, B]``.
            keys: The step's noise keys, int32 ``[2]``.
        """
        latents, drawn = self._noise.draw(keys)
        masks = iter(drawn)
        *for_d, for_g = self._generate(latents, self._masks_of(self.generator, masks))
        self.discriminator.require_gradients(True)
        for update in range(self._updates):
            x = self._dataset.normalise(self._samples.index_select(0, indices[update]))
            loss_d, real, fake = self._update_discriminator(
                x, for_d[update], self._masks_of(self.discriminator, masks)
            )
        self.discriminator.require_gradients(False)
        loss_g = self._update_generator(for_g, real, self._masks_of(self.discriminator, masks))
        return StepStatistics(loss_d, loss_g, real, fake)

    def _generate(self, latents: Tensor, masks: list[Tensor]) -> list[Tensor]:
        """A batch for each update of D, detached, and one for G; G's weights stay as they are between them."""
        batch = latents.shape[0] // (self._updates + 1)
        constant = self._updates * batch
        with self._mixed_precision():
            if self._one_pass:
                together = self.generator(latents, masks, constant_rows=constant).float()
                return [*together[:constant].detach().split(batch), together[constant:]]
            parts = zip(latents.split(batch), *(mask.split(batch) for mask in masks), strict=True)
            *for_d, for_g = [(z, list(own)) for z, *own in parts]
            with torch.no_grad():
                detached = [self.generator(z, own).float() for z, own in for_d]
            return [*detached, self.generator(*for_g).float()]

    def _update_discriminator(
        self, x: Tensor, generated: Tensor, masks: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch = x.shape[0]
        with self._mixed_precision():
            if self._per_sample:
                logits = self.discriminator(torch.cat((x, generated)), masks).flatten().float()
                real, fake = logits[:batch], logits[batch:]
            else:
                real = self.discriminator(x, [mask[:batch] for mask in masks]).flatten().float()
                fake = self.discriminator(generated, [mask[batch:] for mask in masks]).flatten().float()
        loss = self._objective.discriminator_loss(real, fake)
        self.discriminator.differentiate(loss)
        self._adam_d.update(self.discriminator.gradient)
        return loss.detach(), real.detach(), fake.detach()

    def _update_generator(self, generated: Tensor, real: Tensor, masks: list[Tensor]) -> Tensor:
        with self._mixed_precision():
            fake = self.discriminator(generated, masks).flatten().float()
        loss = self._objective.generator_loss(real, fake)
        self.generator.differentiate(loss)
        self._adam_g.update(self.generator.gradient)
        if self.generator_average is not None and self._ema is not None:
            self._average(self.generator_average, self._ema)
        return loss.detach()

    @torch.no_grad()
    def _average(self, average: nn.Module, decay: float) -> None:
        network = self.generator.network
        torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
        for mine, theirs in zip(average.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)

    def _masks_of(self, player: Player, masks: Iterator[Tensor]) -> list[Tensor]:
        return [next(masks) for _ in player.mask_shapes]

    def _mixed_precision(self) -> torch.autocast:
        return torch.autocast(self._samples.device.type, torch.bfloat16, enabled=self._autocast)

    @property
    def sampler(self) -> nn.Module:
        """The generator that samples and scores use: the averaged one where there is one."""
        return self.generator.network if self.generator_average is None else self.generator_average

    def state(self) -> dict[str, Any]:
        """Weights, buffers and optimiser states: what the next step depends on."""
        state: dict[str, Any] = {
            "generator": self.generator.network.state_dict(),
            "discriminator": self.discriminator.network.state_dict(),
            "adam_generator": self._adam_g.state(),
            "adam_discriminator": self._adam_d.state(),
        }
        if self.generator_average is not None:
            state["generator_average"] = self.generator_average.state_dict()
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` gave."""
        self.generator.network.load_state_dict(state["generator"])
        self.discriminator.network.load_state_dict(state["discriminator"])
        self._adam_g.load(state["adam_generator"])
        self._adam_d.load(state["adam_discriminator"])
        if self.generator_average is not None:
            self.generator_average.load_state_dict(state["generator_average"])
