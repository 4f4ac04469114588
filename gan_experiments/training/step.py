"""The adversarial step: the one function that training repeats, for one run or for a stack of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.training.adam import Adam, Rates
from gan_experiments.training.instance_noise import InstanceNoise
from gan_experiments.training.member import Member
from gan_experiments.training.penalty_terms import penalty_terms
from gan_experiments.training.player import Player
from gan_experiments.training.random_numbers import Masks, StepDraws
from gan_experiments.training.stacked_terms import Terms


class StepStatistics(NamedTuple):
    """What a step measured, on the device; for a stack, with the members in front.

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

    One pair of networks is computed directly. Several are stacked along a leading dimension; their losses are
    summed, never averaged, so that none reaches another's gradient.

    Args:
        members: The runs. They may differ in learning rates, betas and instance noise, in the decay of the EMA
            where all have one, and in the coefficients of their objectives and penalties.
        dataset: For normalisation.
        samples: The data set's samples, on the device.

    Raises:
        UnstackableError: The members' networks, objectives or penalties differ in more than that.
    """

    def __init__(self, members: Sequence[Member], dataset: Dataset, samples: Tensor) -> None:
        self._dataset, self._samples = dataset, samples
        networks, trains = [member.networks for member in members], [member.train for member in members]
        train, device = trains[0], samples.device
        self._objective = Terms("objectives", [member.objective for member in members], device)
        if len(members) > 1:
            for loss in ("discriminator_loss", "generator_loss"):
                self._objective.probe(loss, *torch.zeros(2, 2, device=device))
        self._real_for_g = bool(self._objective.attribute("generator_sees_real", False))
        clip = self._objective.attribute("clip")
        self._clip = clip[:, None] if isinstance(clip, Tensor) else clip
        self._batch, self._updates = train.batch_size, train.discriminator_steps
        self._autocast = train.precision == "bf16"
        latent_dims = [pair.latent_dim for pair in networks]
        real = dataset.normalise(samples[:1].expand(2, *samples.shape[1:]))
        latents = [torch.zeros(2, latent_dim, device=device) for latent_dim in latent_dims]
        low = torch.bfloat16 if self._autocast else None
        self.generator = Player([pair.generator for pair in networks], latents, low)
        self.discriminator = Player([pair.discriminator for pair in networks], [real] * len(networks), low)
        self._stacked = len(networks) > 1
        self._per_sample = networks[0].per_sample
        self._one_pass = self._per_sample and networks[0].constant_rows
        self._adams = {
            self.generator: Adam(self.generator.flat, [_rates(t, t.generator_lr) for t in trains]),
            self.discriminator: Adam(self.discriminator.flat, [_rates(t, t.discriminator_lr) for t in trains]),
        }
        self._average: Tensor | None = None
        if train.ema is not None:
            self._average = self.generator.flat.clone()
            rates = torch.tensor([1 - member.ema for member in trains if member.ema is not None], device=device)
            self._average_rate = rates[:, None] if self._stacked else rates[0]
        self._penalties = penalty_terms(members, dataset.sample_shape, self._batch, device)
        self._instance_noise = None
        if any(member.instance_noise for member in trains):
            self._instance_noise = InstanceNoise(trains, len(dataset), device)
        self._draws = StepDraws(
            self.generator,
            self.discriminator,
            latent_dims,
            dataset.sample_shape,
            batch=self._batch,
            updates=self._updates,
            penalties=self._penalties,
            real_for_generator=self._real_for_g,
            instance_noise=self._instance_noise is not None,
            dtype=torch.bfloat16 if self._autocast else torch.float32,
            device=device,
        )

    def compile(self) -> None:
        """Have torch compile both networks; their first calls then take tens of seconds."""
        # Compiled code would compute the derivative of every row: so G runs apart for D, without one.
        self._one_pass = False
        self.generator.compile()
        self.discriminator.compile()

    def __call__(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        """Train one step.

        Args:
            indices: Which samples each update of D sees, int64 ``[discriminator_steps, B]``.
            keys: The step's noise keys, int32 ``[2]``. For a stack, both have the members in front.
        """
        drawn = self._draws.draw(keys)
        *for_d, for_g = self._generate(drawn.latents, drawn.generator)
        x = [self._real(indices[..., i, :]) for i in range(self._updates)]
        if self._instance_noise is not None and drawn.normal is not None:
            noise = self._instance_noise(drawn.normal, self._adams[self.discriminator].updates)
            parts = noise.split(self._batch, int(self._stacked))
            *seen, for_g = [sample + own for sample, own in zip((*x, *for_d, for_g), parts, strict=True)]
            x, for_d = seen[: self._updates], seen[self._updates :]
        self.discriminator.require_gradients(True)
        updates = [
            self._update_discriminator(*inputs)
            for inputs in zip(x, for_d, drawn.updates, drawn.penalties, strict=True)
        ]
        loss_d, real, fake = updates[-1]
        self.discriminator.require_gradients(False)
        seen_real = self._logits_now(x[-1], drawn.real) if self._real_for_g else real
        loss_g = self._update_generator(for_g, seen_real, drawn.fake)
        return StepStatistics(loss_d, loss_g, real, fake)

    def _real(self, indices: Tensor) -> Tensor:
        samples = self._samples.index_select(0, indices.flatten())
        return self._dataset.normalise(samples.unflatten(0, indices.shape))

    def _generate(self, latents: Tensor, masks: Masks) -> list[Tensor]:
        """A batch for each update of D, detached, and one for G; G's weights stay as they are between them."""
        dim = int(self._stacked)
        constant = self._updates * self._batch
        with self._mixed_precision():
            if self._one_pass:
                together = self.generator(latents, masks, constant_rows=constant).float()
                parts = together.split(self._batch, dim)
                return [*(part.detach() for part in parts[:-1]), parts[-1]]
            pieces = zip(latents.split(self._batch, dim), *(m.split(self._batch, dim) for m in masks), strict=True)
            *for_d, for_g = [(z, list(own)) for z, *own in pieces]
            with torch.no_grad():
                detached = [self.generator(z, own).float() for z, own in for_d]
            return [*detached, self.generator(*for_g).float()]

    def _update_discriminator(
        self, x: Tensor, generated: Tensor, masks: Masks, for_penalties: list[tuple[Tensor, Masks]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        dim = int(self._stacked)
        with self._mixed_precision():
            if self._per_sample:
                logits = self._logits(torch.cat((x, generated), dim), masks)
                real, fake = logits.split(self._batch, dim)
            else:
                halves = [mask.split(self._batch, dim) for mask in masks]
                real = self._logits(x, [half[0] for half in halves])
                fake = self._logits(generated, [half[1] for half in halves])
        loss = self._objective("discriminator_loss", real, fake)
        for penalty, own in zip(self._penalties, for_penalties, strict=True):
            loss = loss + penalty(self.discriminator, x, generated, *own)
        self._descend(self.discriminator, loss, self._clip)
        return loss.detach(), real.detach(), fake.detach()

    def _update_generator(self, generated: Tensor, real: Tensor, masks: Masks) -> Tensor:
        with self._mixed_precision():
            fake = self._logits(generated, masks)
        loss = self._objective("generator_loss", real, fake)
        self._descend(self.generator, loss)
        if self._average is not None:
            self._average.lerp_(self.generator.flat, self._average_rate)
        return loss.detach()

    @torch.no_grad()
    def _logits_now(self, x: Tensor, masks: Masks) -> Tensor:
        with self._mixed_precision():
            return self._logits(x, masks)

    def _logits(self, x: Tensor, masks: Masks) -> Tensor:
        return self.discriminator(x, masks).flatten(int(self._stacked)).float()

    def _descend(self, player: Player, loss: Tensor, clip: Any = None) -> None:
        player.differentiate(loss.sum() if self._stacked else loss)
        self._adams[player].update(player.gradient)
        if clip is not None:
            player.flat.clamp_(-clip, clip)
        player.refresh()

    def _mixed_precision(self) -> AbstractContextManager[object]:
        return torch.autocast(self._samples.device.type, torch.bfloat16) if self._autocast else nullcontext()

    def sampler(self, k: int) -> nn.Module:
        """The generator that member ``k``'s samples and scores use: the averaged one where there is one."""
        return self.generator.member(k, self._average)

    def gradient_norms(self) -> dict[str, Tensor]:
        """2-norm of each player's latest gradient, ``[K]``."""
        return {
            "generator": torch.linalg.vector_norm(self.generator.gradient, dim=-1).reshape(-1),
            "discriminator": torch.linalg.vector_norm(self.discriminator.gradient, dim=-1).reshape(-1),
        }

    def state(self, k: int) -> dict[str, Any]:
        """Member ``k``'s weights, buffers and optimiser states, in its own shapes: what its next step depends on."""
        state: dict[str, Any] = {}
        for name, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            adam = self._adams[player]
            state[name] = player.member(k).state_dict()
            state[f"adam_{name}"] = {
                "first": _detached(player.named(k, adam.first)),
                "second": _detached(player.named(k, adam.second)),
                "updates": adam.updates[k].clone(),
            }
        if self._average is not None:
            state["generator_average"] = _detached(self.generator.named(k, self._average))
        return state

    def load(self, k: int, state: dict[str, Any]) -> None:
        """Take over what ``state`` gave for a member, alone or in any stack."""
        for name, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            adam, saved = self._adams[player], state[f"adam_{name}"]
            player.load_member(k, state[name])
            player.assign(k, adam.first, saved["first"])
            player.assign(k, adam.second, saved["second"])
            adam.updates[k] = saved["updates"]
        if self._average is not None:
            self.generator.assign(k, self._average, state["generator_average"])


def _rates(train: TrainConfig, own: float | None) -> Rates:
    return Rates(train.lr if own is None else own, (train.betas[0], train.betas[1]))


def _detached(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies: a saved view would take the whole tensor that it belongs to along."""
    return {name: tensor.clone() for name, tensor in named.items()}
