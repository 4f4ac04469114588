"""What is learnt: a whole data set as one tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """A data set as one tensor, which moves to the device once.

    A loader of a user's own is any function that returns one of these; ``data._target_`` names it, and the other
    keys of the ``data`` group are its arguments.

    Attributes:
        name: As in the configuration.
        samples: Images as uint8 ``[N, C, H, W]`` in 0..255, or points as float32 ``[N, D]``.
        labels: Class of each sample, int64 ``[N]``, or None. Never used in training.
        source: Where the samples came from: a path, an address, or a sentence.
        scale: Points are divided by it before they are learnt, so that a generator that ends in Tanh reaches
            them; 1 for images, whose 0..255 always becomes [-1, 1].
    """

    name: str
    samples: Tensor
    labels: Tensor | None = None
    source: str = ""
    scale: float = 1.0

    @property
    def is_image(self) -> bool:
        """Whether the samples are images rather than points."""
        return self.samples.dtype == torch.uint8

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(C, H, W)`` or ``(D,)``."""
        return tuple(self.samples.shape[1:])

    def __len__(self) -> int:
        return self.samples.shape[0]

    def normalise(self, batch: Tensor) -> Tensor:
        """Samples of any leading shape as float32: images from 0..255 to [-1, 1], points divided by ``scale``."""
        if batch.dtype == torch.uint8:
            return batch.to(torch.float32).mul_(1 / 127.5).sub_(1)
        return batch / self.scale

    def denormalise(self, batch: Tensor) -> Tensor:
        """The inverse of ``normalise``: images as uint8 (rounded, clamped), points as float32."""
        if self.is_image:
            return batch.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return batch.float() * self.scale
