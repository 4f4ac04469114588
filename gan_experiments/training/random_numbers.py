"""Everything random in a step, drawn at once and handed out to its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from gan_experiments.training.counter_rng import FieldNoise, MaskSpec, StepNoise
from gan_experiments.training.penalty_terms import PenaltyTerm
from gan_experiments.training.player import Player

Masks = list[Tensor]
"""The multipliers of one pass of a network, one for each place where it drops units."""


class StepRandomness(NamedTuple):
    """The random numbers of a step; for a stack, every tensor has the members in front.

    Attributes:
        latents: ``[(U + 1) B, latent_dim]``: a batch for each of D's U updates, and one for G's.
        generator: For G's pass of all of them.
        updates: For each update of D, of real and generated samples together.
        fake: For D's pass of generated samples in G's update.
        real: For D's pass of real samples in G's update, where the objective asks for it.
        penalties: For each update of D, each penalty's uniform numbers ``[B, n]`` and multipliers.
        normal: ``[(2 U + 1) B, *sample_shape]``, where there is instance noise; else without rows, or None.
        augment: Uniform numbers ``[(2 U + 1) B, n]`` of real and generated samples for each update of D, then for
            G's pass, and B more rows where that passes real samples; None without augmentation.
    """

    latents: Tensor
    generator: Masks
    updates: list[Masks]
    fake: Masks
    real: Masks
    penalties: list[list[tuple[Tensor, Masks]]]
    normal: Tensor | None
    augment: Tensor | None


class StepDraws:
    """Draws for a step, as a function of its keys.

    Args:
        generator: G.
        discriminator: D.
        latent_dims: Dimension of z, of each member.
        later_dims: Of runs that may take a member's place.
        sample_shape: Shape of one sample.
        batch: Samples in a batch.
        updates: Updates of D in a step.
        penalties: The terms that D's loss has on top.
        real_for_generator: Whether G's update passes real samples through D.
        instance_noise: Whether samples get noise.
        augmentation: Numbers a sample that augmentation needs; None where there is none.
        dtype: The multipliers' type.
        device: The device to draw on.
    """

    def __init__(
        self,
        generator: Player,
        discriminator: Player,
        latent_dims: Sequence[int],
        sample_shape: Sequence[int],
        *,
        later_dims: Sequence[int] = (),
        batch: int,
        updates: int,
        penalties: Sequence[PenaltyTerm],
        real_for_generator: bool,
        instance_noise: bool,
        augmentation: int | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._batch, self._updates, self._terms = batch, updates, len(penalties)
        self._sample_shape, self._stacked = tuple(sample_shape), len(latent_dims) > 1
        # 1. The passes that drop units. Optional ones come last: adding one leaves the others' counters unchanged.
        rows = (updates + 1) * batch
        passes = [
            (generator, rows),
            *[(discriminator, 2 * batch)] * updates,
            (discriminator, batch),
            *[(discriminator, term.rows) for term in penalties] * updates,
            *[(discriminator, batch)] * real_for_generator,
        ]
        self._passes = [player for player, _ in passes]
        self._sites = [len(player.mask_shapes) for player in self._passes]
        masks = [
            MaskSpec(height, shape, p)
            for player, height in passes
            for shape, p in zip(player.mask_shapes, player.mask_probabilities, strict=True)
        ]
        # 2. Latents and multipliers, drawn together.
        widest = max((*latent_dims, *later_dims))
        dims = latent_dims if self._stacked else None
        self._noise = StepNoise(rows, widest, masks, device, dims, dtype, later_dims)
        # 3. Instance noise and the uniform numbers of penalties and augmentation, where there are any.
        normal = ((2 * updates + 1) * batch if instance_noise else 0, prod(sample_shape))
        uniform = [(updates * batch, term.uniforms) for term in penalties]
        self._augments = augmentation is not None
        if augmentation is not None:
            uniform.append(((2 * updates + 1 + real_for_generator) * batch, augmentation))
        self._fields = None
        if instance_noise or uniform:
            self._fields = FieldNoise(normal, uniform, device, len(latent_dims) if self._stacked else None)

    def check(self, latent_dim: int, probabilities: Mapping[Player, Sequence[float]]) -> None:
        """Make sure that a run can take a member's place.

        Args:
            latent_dim: Dimension of its z.
            probabilities: Its drop probability at each site of both players.

        Raises:
            UnstackableError: There is no room for it.
        """
        self._noise.check(latent_dim, [p for player in self._passes for p in probabilities[player]])

    def put(self, k: int, latent_dim: int, probabilities: Mapping[Player, Sequence[float]]) -> None:
        """Let a run that passed ``check`` take the place of member ``k``."""
        self._noise.put(k, latent_dim, [p for player in self._passes for p in probabilities[player]])

    def draw(self, keys: Tensor) -> StepRandomness:
        """Return all of a step's random numbers, from its keys ``[2]``; for a stack, ``[K, 2]``."""
        latents, drawn = self._noise.draw(keys)
        masks = iter(drawn)
        generator, *rest = [[next(masks) for _ in range(count)] for count in self._sites]
        updates, (fake, *rest) = rest[: self._updates], rest[self._updates :]
        normal, tables = None, []
        if self._fields is not None:
            normal, tables = self._fields.draw(keys)
            normal = normal.unflatten(-1, self._sample_shape)
        augment = tables.pop() if self._augments else None
        tables = [table.split(self._batch, int(self._stacked)) for table in tables]
        optional = iter(rest)
        penalties = [[(table[i], next(optional)) for table in tables] for i in range(self._updates)]
        return StepRandomness(latents, generator, updates, fake, next(optional, []), penalties, normal, augment)
