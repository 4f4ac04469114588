"""Changes of images that several augmentations make, of any channels, with their own numbers for each sample.

All are matrix products, masks and pointwise arithmetic of fixed shapes: ``torch.vmap`` and CUDA graphs take them, and
they can be differentiated any number of times, with the same bits each time. (``grid_sample`` can be differentiated
once, and a GPU adds up its derivative in any order.) Sizes are fractions of the image's own.
"""

from __future__ import annotations

import torch
from torch import Tensor


def chosen(decision: Tensor, changed: Tensor, x: Tensor) -> Tensor:
    """Return ``changed`` for the samples where ``decision`` ``[B]`` is true, else ``x``, both ``[B, C, H, W]``."""
    return torch.where(_of_samples(decision), changed, x)


def mirrored(x: Tensor, decision: Tensor) -> Tensor:
    """Return the images ``[B, C, H, W]``, those flipped left to right where ``decision`` ``[B]`` is true."""
    return chosen(decision, x.flip(-1), x)


def brightened(x: Tensor, amount: Tensor) -> Tensor:
    """Return ``x + amount``, with an amount ``[B]`` for each image."""
    return x + _of_samples(amount)


def saturated(x: Tensor, factor: Tensor) -> Tensor:
    """Return images whose pixels differ ``factor`` ``[B]`` times as much from their own grey; grey images stay."""
    grey = x.mean(1, keepdim=True)
    return torch.lerp(grey, x, _of_samples(factor))


def contrasted(x: Tensor, factor: Tensor) -> Tensor:
    """Return images whose pixels differ ``factor`` ``[B]`` times as much from the image's mean."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, x, _of_samples(factor))


def shifts(u: Tensor, size: int, fraction: float | Tensor) -> Tensor:
    """Return whole numbers of pixels up to ``fraction`` of ``size`` to either side, all equally likely."""
    most = rounded(size, fraction)
    return (u * (2 * most + 1)).floor() - most


def resampled(x: Tensor, row_shift: Tensor, column_shift: Tensor, row_scale: Tensor, column_scale: Tensor) -> Tensor:
    """Return images ``[B, C, H, W]`` that are scaled about their centre, then shifted; outside of them lies 0.

    Between pixels values are interpolated linearly. Shifts are in pixels, scales above 1 enlarge; all are ``[B]``.
    """
    rows = _weights(x.shape[-2], row_shift, row_scale, x)
    columns = _weights(x.shape[-1], column_shift, column_scale, x)
    return rows.unsqueeze(1) @ x @ columns.unsqueeze(1).mT


def cut_out(x: Tensor, u: Tensor, v: Tensor, fraction: float | Tensor) -> Tensor:
    """Return images in which a rectangle of ``fraction`` of the height and width is 0, its centre at u, v ``[B]``."""
    rows, columns = (_inside(place, length, fraction, x) for place, length in ((u, x.shape[-2]), (v, x.shape[-1])))
    hole = rows[:, :, None] & columns[:, None, :]  # [B, H, W]
    return x.masked_fill(hole.unsqueeze(1), 0.0)


def rounded(size: int, fraction: float | Tensor) -> Tensor:
    """Return a fraction of a size as a whole number; a tensor, to be the same number alone and in a stack."""
    return (size * torch.as_tensor(fraction, dtype=torch.float32) + 0.5).floor()


def is_zero(size: float | Tensor) -> bool:
    """Return whether a size is the number 0 for all members: then a change can be left out."""
    return not isinstance(size, Tensor) and size == 0


def _of_samples(numbers: Tensor) -> Tensor:
    return numbers.view(-1, 1, 1, 1)


def _weights(size: int, shift: Tensor, scale: Tensor, like: Tensor) -> Tensor:
    """Return how much of each old row (last dimension) each new row takes, ``[B, size, size]``."""
    places = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    sources = (places - shift[:, None]) / scale[:, None]  # [B, size]
    return (1 - (sources[:, :, None] - places).abs()).clamp(min=0)


def _inside(place: Tensor, length: int, fraction: float | Tensor, like: Tensor) -> Tensor:
    """Return which rows a rectangle covers, ``[B, length]``; it may reach over the edge."""
    size = rounded(length, fraction)
    start = (place * (length + 1 - size % 2)).floor() - (size / 2).floor()
    rows = torch.arange(length, dtype=like.dtype, device=like.device)
    return (rows >= start[:, None]) & (rows < start[:, None] + size)
