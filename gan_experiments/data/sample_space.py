"""The space that samples lie in, their classes, and the way between it and the range that networks see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_experiments.errors import UserError

_MOST_NAMES = 30
"""Classes that a message names."""


@dataclass(frozen=True)
class SampleSpace:
    """The shape and the range of one sample.

    Checkpoints and exported generators store it, so that samples can be drawn where the data set is absent.

    Attributes:
        shape: ``(C, H, W)`` of an image or ``(D,)`` of a point.
        is_image: True for images, uint8 in 0..255; False for points, float32.
        scale: Points are divided by it before they are learnt; 1 for images.
        classes: Number of classes that labels tell apart; None where samples have no labels.
        class_names: Their names, in the order of the labels; empty where they have none.
    """

    shape: tuple[int, ...]
    is_image: bool
    scale: float = 1.0
    classes: int | None = None
    class_names: tuple[str, ...] = ()

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> SampleSpace:
        """Read what ``description`` wrote; other keys are ignored."""
        return cls(
            tuple(description["sample_shape"]),
            description["is_image"],
            description["scale"],
            description.get("classes"),  # runs of version 0.1 have none
            tuple(description.get("class_names", ())),
        )

    def description(self) -> dict[str, Any]:
        """Return plain values under the keys that checkpoints and ``generator.json`` have."""
        return {
            "sample_shape": list(self.shape),
            "is_image": self.is_image,
            "scale": self.scale,
            "classes": self.classes,
            "class_names": list(self.class_names),
        }

    def label_of(self, name: str) -> int:
        """Return the label of a class, given by its name or its number.

        Raises:
            UserError: Samples have no labels, or there is no such class.
        """
        if self.classes is None:
            raise UserError(f"class {name}: must not be given, because the samples have no labels")
        if name in self.class_names:
            return self.class_names.index(name)
        if name.isdecimal() and int(name) < self.classes:
            return int(name)
        names = self.class_names if any(not known.isdecimal() for known in self.class_names) else ()
        known = f", or one of {', '.join(names)}" if 0 < len(names) <= _MOST_NAMES else ""
        raise UserError(f"class {name}: must be a number from 0 to {self.classes - 1}{known}")

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
