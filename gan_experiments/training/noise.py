"""Every random number of a step as a function of the run's seed, the step, and nothing else.

A counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the i-th word
of a step is a hash of i and of two keys that belong to (seed, step). So a resumed run needs no generator state,
the CPU and a GPU draw the same numbers, a run draws what it would draw alone whatever trains beside it, and the
whole step costs a dozen cheap integer operations where the library's dropout alone would take a fifth of its time.

The hash is a two-multiplication 32-bit finaliser (constants of C. Wellons' "lowbias32"), with the second key added
between its rounds so that two steps never walk the same sequence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import ceil, pi, prod

import torch
from torch import Tensor

_GOLDEN = -1640531527  # 2**32 / golden ratio, odd: spreads consecutive counters
_MULTIPLIERS = (2146121005, 0x846CA68B - 2**32)


def step_keys(seed: int, first: int, count: int) -> Tensor:
    """Two hash keys for each of the steps ``first`` … ``first + count - 1``: int32 ``[count, 2]`` on the CPU."""
    keys = [
        hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest() for step in range(first, first + count)
    ]
    return torch.frombuffer(bytearray(b"".join(keys)), dtype=torch.int32).view(count, 2)


def fixed_latents(count: int, latent_dim: int) -> Tensor:
    """The z from which sample pictures are drawn, the same in every run: float32 ``[count, latent_dim]``, CPU."""
    noise = StepNoise((count, latent_dim), [], [], torch.device("cpu"))
    return noise.draw(step_keys(-1, 0, 1)[0])[0]


class StepNoise:
    """Draws a step's latents and dropout multipliers together.

    Args:
        latent_shape: Shape of all the latents that a step needs.
        mask_shapes: Shapes of the dropout multipliers that a step needs.
        mask_probabilities: The drop probability of each multiplier; resolved to 1/65536.
        device: Where to draw.
    """

    def __init__(
        self,
        latent_shape: tuple[int, int],
        mask_shapes: Sequence[tuple[int, ...]],
        mask_probabilities: Sequence[float],
        device: torch.device,
    ) -> None:
        self._latent_shape, self._mask_shapes = latent_shape, list(mask_shapes)
        self._mask_sizes = [prod(shape) for shape in mask_shapes]
        self._pairs = ceil(prod(latent_shape) / 2)
        words = 2 * self._pairs + ceil(sum(self._mask_sizes) / 2)

        def integers(*values: int) -> list[Tensor]:
            # Tensors, because a Python number would be converted anew at every use.
            return [torch.tensor(value, dtype=torch.int32, device=device) for value in values]

        self._counter = torch.arange(words, dtype=torch.int32, device=device) * _GOLDEN
        self._words, self._scratch = torch.empty_like(self._counter), torch.empty_like(self._counter)
        self._shifts = integers(16, 15, 16)
        self._below = integers(2**16 - 1, 2**17 - 1, 2**16 - 1)
        self._multipliers = integers(*_MULTIPLIERS)
        thresholds, scales = [], []
        for size, p in zip(self._mask_sizes, mask_probabilities, strict=True):
            thresholds.append(torch.full((size,), round(p * 65536) - 32768, dtype=torch.int16))
            scales.append(torch.full((size,), 1 / (1 - p)))
        self._thresholds = torch.cat(thresholds).to(device) if thresholds else None
        self._scales = torch.cat(scales).to(device) if scales else None

    def draw(self, keys: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The step's latents and multipliers, float32, from its keys ``[2]``.

        Latents are normal by Box and Muller's transform, ``sqrt(-2 log u) (cos v, sin v)``, up to 6 standard
        deviations; a multiplier is 0 where a 16-bit word falls below the drop probability, else 1 / (1 - p).
        """
        words = self._hash(keys)
        radius_words, angle_words = words[: 2 * self._pairs].view(2, self._pairs)
        radius = radius_words.to(torch.float32).mul_(2.0**-32).add_(0.5).clamp_(2.0**-26, 1.0).log_().mul_(-2).sqrt_()
        angle = angle_words.to(torch.float32).mul_(pi * 2.0**-31)
        normals = torch.cat((radius * angle.cos(), radius * angle.sin()))
        latents = normals[: prod(self._latent_shape)].view(self._latent_shape)
        if self._thresholds is None or self._scales is None:
            return latents, []
        halves = words[2 * self._pairs :].view(torch.int16)[: self._thresholds.shape[0]]
        # The comparison writes 0 and 1 as float32 at once: bool to float is branchy and slow on the CPU.
        keep = torch.empty_like(self._scales)
        torch.ge(halves, self._thresholds, out=keep).mul_(self._scales)
        masks = [
            part.view(shape) for part, shape in zip(keep.split(self._mask_sizes), self._mask_shapes, strict=True)
        ]
        return latents, masks

    def _hash(self, keys: Tensor) -> Tensor:
        x, t = self._words, self._scratch
        torch.add(self._counter, keys[0], out=x)
        for i, (shift, below) in enumerate(zip(self._shifts, self._below, strict=True)):
            torch.bitwise_right_shift(x, shift, out=t)
            x.bitwise_xor_(t.bitwise_and_(below))  # the mask makes the arithmetic shift a logical one
            if i == 1:
                x.add_(keys[1])
            if i < 2:
                x.mul_(self._multipliers[i])
        return x
