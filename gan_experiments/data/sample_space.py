"""The space that samples lie in, and the way between it and the range that networks see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class SampleSpace:
    """The shape and the range of one sample.

    Checkpoints and exported generators store it, so that samples can be drawn where the data set is absent.

    Attributes:
        shape: ``(C, H, W)`` of an image or ``(D,)`` of a point.
        is_image: True for images, uint8 in 0..255; False for points, float32.
        scale: Points are divided by it before they are learnt; 1 for images.
    """

    shape: tuple[int, ...]
    is_image: bool
    scale: float = 1.0

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> SampleSpace:
        """Read what ``description`` wrote; other keys are ignored."""
        return cls(tuple(description["sample_shape"]), description["is_image"], description["scale"])

    def description(self) -> dict[str, Any]:
        """Return plain values under the keys that checkpoints and ``generator.json`` have."""
        return {"sample_shape": list(self.shape), "is_image": self.is_image, "scale": self.scale}

    def normalise(self, batch: Tensor) -> Tensor:
        """Return samples of any leading shape as float32: images from 0..255 to [-1, 1], points divided by scale."""
        if self.is_image:
            return batch.to(torch.float32).mul_(1 / 127.5).sub_(1)
        return batch / self.scale

    def denormalise(self, batch: Tensor) -> Tensor:
        """Invert ``normalise``: images as uint8 (rounded, clamped), points as float32."""
        if self.is_image:
            return batch.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return batch.float() * self.scale
