"""Every random number of a step as a function of the run's seed, the step, and nothing else.

A counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the i-th word
of a step is a hash of i and of two keys that belong to (seed, step). So a resumed run needs no generator state,
the CPU and a GPU draw the same numbers, a run draws the same numbers alone and in any stack, and the whole step
costs a dozen cheap integer operations where the library's dropout alone would take a fifth of its time.

The hash is a two-multiplication 32-bit finaliser (constants of C. Wellons' "lowbias32"), with the second key added
between its rounds so that two steps never walk the same sequence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, pi, prod

import torch
from torch import Tensor

from gan_experiments.models.stacking import UnstackableError

_PLACES = 64
"""Tensors that a step's counters have room for, so that one more or less moves none of the others."""
_FIELDS = 2**31
"""The start of the counters of fields: the other half of what 32 bits can count."""
_GOLDEN = -1640531527  # 2**32 / golden ratio, odd: spreads consecutive counters
_MULTIPLIERS = (2146121005, 0x846CA68B - 2**32)


def step_keys(seed: int, first: int, count: int) -> Tensor:
    """Return two hash keys for each step from ``first`` to ``first + count - 1``: int32 ``[count, 2]``, CPU."""
    keys = [
        hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest() for step in range(first, first + count)
    ]
    return torch.frombuffer(bytearray(b"".join(keys)), dtype=torch.int32).view(count, 2)


def fixed_latents(count: int, latent_dim: int) -> Tensor:
    """Return the z of all sample pictures, the same in every run: float32 ``[count, latent_dim]``, CPU."""
    noise = StepNoise(count, latent_dim, [], torch.device("cpu"))
    return noise.draw(step_keys(-1, 0, 1)[0])[0]


@dataclass(frozen=True)
class MaskSpec:
    """One dropout multiplier that a step needs.

    Attributes:
        rows: Samples in the batch.
        shape: Shape of one sample's multiplier.
        p: Drop probability, resolved to 1/65536; for a stack, one a member.
    """

    rows: int
    shape: tuple[int, ...]
    p: float | Sequence[float]


class StepNoise:
    """Draws a step's latents and dropout multipliers together, for one run or for a stack.

    The counter of an element depends on its row, its column and its place among the step's tensors, never on how
    wide those are: so a member padded to the width of its neighbours draws the same numbers as alone.

    Args:
        rows: Latents that a step needs.
        latent_dim: Their dimension; in a stack, the largest.
        masks: The dropout multipliers that a step needs.
        device: The device to draw on.
        latent_dims: For a stack, each member's own dimension; the columns from there on are zero.
        dtype: Of the multipliers.
        later: Dimensions of runs that may take a member's place.
    """

    def __init__(
        self,
        rows: int,
        latent_dim: int,
        masks: Sequence[MaskSpec],
        device: torch.device,
        latent_dims: Sequence[int] | None = None,
        dtype: torch.dtype = torch.float32,
        later: Sequence[int] = (),
    ) -> None:
        self._lead = () if latent_dims is None else (len(latent_dims),)
        self._latents = (rows, latent_dim)
        # A word gives two 16-bit halves, so a row of odd width draws one too many.
        self._masks = [(spec.rows, 2 * ceil(prod(spec.shape) / 2), spec) for spec in masks]
        sites = [(rows, latent_dim)] * 2 + [(r, width // 2) for r, width, _ in self._masks]
        places = max(_PLACES, len(sites))
        counters = [
            ((torch.arange(width) * height + torch.arange(height)[:, None]) * places + site).flatten()
            for site, (height, width) in enumerate(sites)
        ]
        self._words = _Words(torch.cat(counters), self._lead, device)
        self._inside = None
        if latent_dims is not None and min((*latent_dims, *later)) < latent_dim:
            inside = torch.arange(latent_dim) < torch.tensor(latent_dims)[:, None, None]
            self._inside = inside.float().to(device)  # [K, 1, latent_dim]
        if masks:
            spread = [
                torch.tensor(spec.p, dtype=torch.float64).unsqueeze(-1).expand(*self._lead, height * width)
                for height, width, spec in self._masks
            ]
            p = torch.cat(spread, -1)
            if bool((p == p[..., :1]).all()):
                p = p[..., :1]  # one number is less to read than one an element
            self._thresholds, self._scales = (t.to(device) for t in _thresholds_and_scales(p, dtype))
            self._keep_shape = (*self._lead, sum(height * width for height, width, _ in self._masks))

    def check(self, latent_dim: int, probabilities: Sequence[float]) -> None:
        """Make sure that a run can take a member's place.

        Args:
            latent_dim: Dimension of its z.
            probabilities: Its drop probability for each mask.

        Raises:
            UnstackableError: There is no room for it.
        """
        width = self._latents[1]
        if latent_dim > width or (latent_dim < width and self._inside is None):
            raise UnstackableError(f"a stack with latents of {width} dimensions has no room for {latent_dim}")
        if self._masks and self._thresholds.shape[-1] == 1 and len(set(probabilities)) > 1:
            raise UnstackableError("in a stack of these networks dropout is the same everywhere")

    def put(self, k: int, latent_dim: int, probabilities: Sequence[float]) -> None:
        """Let a run that passed ``check`` take the place of member ``k``."""
        if self._inside is not None:
            self._inside[k, 0] = (torch.arange(self._latents[1]) < latent_dim).to(self._inside)
        if self._masks:
            sizes = torch.tensor([height * width for height, width, _ in self._masks])
            p = torch.tensor(probabilities, dtype=torch.float64).repeat_interleave(sizes)
            self._thresholds[k], self._scales[k] = _thresholds_and_scales(
                p[: self._thresholds.shape[-1]], self._scales.dtype
            )

    def draw(self, keys: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the step's latents ``[rows, latent_dim]``, float32, and multipliers from its keys ``[2]``.

        For a stack of K, keys are ``[K, 2]`` and every result has K in front. Latents are normal by Box and
        Muller's transform, ``sqrt(-2 log u) cos v``, up to 6 standard deviations; a multiplier is 0 where a 16-bit
        word falls below the drop probability, else 1 / (1 - p).
        """
        words = self._words(keys)
        size = prod(self._latents)
        latents = _normal(words[..., :size], words[..., size : 2 * size]).unflatten(-1, self._latents)
        if self._inside is not None:
            latents.mul_(self._inside)
        if not self._masks:
            return latents, []
        halves = words[..., 2 * size :].view(torch.int16)
        # The comparison writes 0 and 1 as floats at once: bool to float is branchy and slow on the CPU.
        keep = torch.empty(self._keep_shape, dtype=self._scales.dtype, device=words.device)
        torch.ge(halves, self._thresholds, out=keep).mul_(self._scales)
        parts = keep.split([height * width for height, width, _ in self._masks], -1)
        return latents, [
            part.unflatten(-1, (height, width))[..., : prod(spec.shape)].unflatten(-1, spec.shape)
            for part, (height, width, spec) in zip(parts, self._masks, strict=True)
        ]


class FieldNoise:
    """Draws a step's other random numbers: normal ones for every element of some rows, and tables of uniform ones.

    Its counters are apart from ``StepNoise``'s, and each table's from the others': the numbers of one part of a step
    never depend on whether another part draws any.

    Args:
        normal: Rows and columns of the normal numbers.
        uniform: Rows and columns of each table of uniform numbers; a table without columns costs nothing.
        device: The device to draw on.
        members: Number of members of a stack; None for a run by itself.
    """

    def __init__(
        self,
        normal: tuple[int, int],
        uniform: Sequence[tuple[int, int]],
        device: torch.device,
        members: int | None = None,
    ) -> None:
        self._shapes = [normal, normal, *uniform]
        counters = [
            torch.arange(rows * columns) * _PLACES + place + _FIELDS
            for place, (rows, columns) in enumerate(self._shapes)
        ]
        self._words = _Words(torch.cat(counters), () if members is None else (members,), device)

    def draw(self, keys: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return normal numbers ``[rows, columns]`` and the uniform tables, in [0, 1], from the step's keys ``[2]``.

        For a stack of K, keys are ``[K, 2]`` and every result has K in front.
        """
        sizes = [prod(shape) for shape in self._shapes]
        words = self._words(keys) if any(sizes) else keys[..., :0]
        parts = words.split(sizes, -1)
        u, v, *tables = (part.unflatten(-1, shape) for part, shape in zip(parts, self._shapes, strict=True))
        return _normal(u, v), [_uniform(table) for table in tables]


class _Words:
    """Hashes counters: ``[..., N]`` words, int32, from keys ``[..., 2]``."""

    def __init__(self, counters: Tensor, lead: tuple[int, ...], device: torch.device) -> None:
        self._counter = (counters.to(torch.int32) * _GOLDEN).to(device)
        self._words = torch.empty(*lead, len(counters), dtype=torch.int32, device=device)
        self._scratch = torch.empty_like(self._words)

        def integers(*values: int) -> list[Tensor]:
            # Tensors, because a Python number would be converted anew at every use.
            return [torch.tensor(value, dtype=torch.int32, device=device) for value in values]

        self._shifts = integers(16, 15, 16)
        self._below = integers(2**16 - 1, 2**17 - 1, 2**16 - 1)
        self._multipliers = integers(*_MULTIPLIERS)

    def __call__(self, keys: Tensor) -> Tensor:
        x, t = self._words, self._scratch
        torch.add(self._counter, keys[..., :1], out=x)
        for i, (shift, below) in enumerate(zip(self._shifts, self._below, strict=True)):
            torch.bitwise_right_shift(x, shift, out=t)
            x.bitwise_xor_(t.bitwise_and_(below))  # the mask makes the arithmetic shift a logical one
            if i == 1:
                x.add_(keys[..., 1:])
            if i < 2:
                x.mul_(self._multipliers[i])
        return x


def _thresholds_and_scales(p: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the word below which a unit is dropped, and the factor of those that are kept."""
    return (p * 65536).round().sub(32768).to(torch.int16), (1 / (1 - p)).to(dtype)


def _uniform(words: Tensor) -> Tensor:
    """Return uniform numbers in [0, 1]."""
    return words.to(torch.float32).mul_(2.0**-32).add_(0.5)


def _normal(u: Tensor, v: Tensor) -> Tensor:
    """Return normal numbers from pairs of words (Box and Muller)."""
    radius = _uniform(u).clamp_(2.0**-26, 1.0).log_().mul_(-2).sqrt_()
    return radius.mul_(v.to(torch.float32).mul_(pi * 2.0**-31).cos_())
