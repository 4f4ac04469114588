"""A whole data set as one tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from omegaconf import MISSING
from torch import Tensor

from gan_experiments.configuration.fields import above, at_least, at_most, setting
from gan_experiments.data.sample_space import SampleSpace
from gan_experiments.errors import UserError


@dataclass
class ImageDataConfig:
    """Images: one uint8 tensor ``[N, C, H, W]``."""

    _target_: str = setting(MISSING, "function that loads the data")
    name: str = setting(MISSING, "the data set's name, as it appears in run names and in MLflow")
    root: str = setting("data", "folder of the files, or where a download puts them (digits need none)")
    image_size: int = setting(28, "height and width in pixels; other images are resized (antialiased)", at_least(1))
    download: bool = setting(True, "whether missing files may be fetched from the network")
    fraction: float = setting(
        1.0, "share of the samples that is learnt, the same one under every seed", above(0) & at_most(1)
    )

    @staticmethod
    def sample_shape(keys: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the shape of one sample, as far as it is known before the data are loaded: a model may need it."""
        return 1, keys["image_size"], keys["image_size"]


@dataclass(frozen=True, eq=False)
class Mixture:
    """The distribution that points come from: equally likely, round Gaussians.

    Attributes:
        means: float32 ``[K, D]``.
        std: Standard deviation of each in every coordinate, in the units of ``means``.
    """

    means: Tensor
    std: float


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set as one tensor, which moves to the device once.

    A custom loader is any function that returns one of these; ``data._target_`` names it, and the other
    keys of the ``data`` group are its arguments.

    Attributes:
        name: As in the configuration.
        samples: Images as uint8 ``[N, C, H, W]`` in 0..255, or points as float32 ``[N, D]``.
        labels: Class of each sample from 0 on, int64 ``[N]``, or None.
        source: Where the samples came from: a path, an address, or a sentence.
        scale: Points are divided by it before they are learnt, so that a generator that ends in Tanh reaches
            them; 1 for images, whose 0..255 always becomes [-1, 1].
        test: Loads the samples that are kept for judging and never learnt, or None where there are none.
        validation: Samples like the others that are not learnt, for choices that may depend neither on these nor on
            the test set; or None.
        validation_labels: Their classes, int64, or None.
        mixture: For points, the mixture that they were drawn from, where that is known.
        class_names: Names of the classes in the order of the labels, or None where they have none.

    Raises:
        UserError: The tensors are not of these types and shapes, there is no sample, a point is not finite, or a
            label is outside the classes.
    """

    name: str
    samples: Tensor
    labels: Tensor | None = None
    source: str = ""
    scale: float = 1.0
    test: Callable[[], Dataset] | None = None
    validation: Tensor | None = None
    mixture: Mixture | None = None
    class_names: tuple[str, ...] | None = None
    validation_labels: Tensor | None = None

    def __post_init__(self) -> None:
        allowed = "they must be a tensor, uint8 [N, C, H, W] (images) or float32 [N, D] (points)"
        if not isinstance(self.samples, Tensor):
            raise UserError(f"data={self.name}: samples are of type {type(self.samples).__name__}; {allowed}")
        if (self.samples.dtype, self.samples.ndim) not in ((torch.uint8, 4), (torch.float32, 2)):
            raise UserError(f"data={self.name}: samples are {_describe(self.samples)}; {allowed}")
        if self.samples.numel() == 0:
            raise UserError(f"data={self.name}: samples are {_describe(self.samples)}; there must be at least one")
        if not self.is_image and not bool(self.samples.isfinite().all()):
            raise UserError(f"data={self.name}: a sample is NaN or infinite; all must be finite")
        if self.labels is not None and (self.labels.dtype, *self.labels.shape) != (torch.int64, len(self)):
            raise UserError(
                f"data={self.name}: labels are {_describe(self.labels)}; they must be int64 [{len(self)}]"
            )
        if self.labels is not None:
            self._check_classes(self.labels)
        if not 0 < self.scale < float("inf"):
            raise UserError(f"data={self.name}: scale is {self.scale}; it must be a finite number above 0")

    def _check_classes(self, labels: Tensor) -> None:
        least, most = map(int, labels.aminmax())
        if least < 0:
            raise UserError(f"data={self.name}: a label is {least}; labels must be classes, counted from 0")
        if self.class_names is not None and most >= len(self.class_names):
            last = len(self.class_names) - 1
            raise UserError(
                f"data={self.name}: a label is {most}; with {last + 1} class names it must be 0 to {last}"
            )

    @cached_property
    def sample_space(self) -> SampleSpace:
        """The shape and the range of one sample, and the classes of all."""
        shape, is_image = tuple(self.samples.shape[1:]), self.samples.dtype == torch.uint8
        return SampleSpace(shape, is_image, self.scale, self.classes, self.class_names or ())

    @property
    def is_image(self) -> bool:
        """True for images, False for points."""
        return self.sample_space.is_image

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: ``(C, H, W)`` or ``(D,)``."""
        return self.sample_space.shape

    @cached_property
    def classes(self) -> int | None:
        """Number of classes: as many as have names, or the largest label and one; None without labels."""
        if self.labels is None:
            return None
        return int(self.labels.max()) + 1 if self.class_names is None else len(self.class_names)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the samples' type, shape and bytes, in hexadecimal: the same data has the same digest."""
        algorithm = hashlib.sha256(_describe(self.samples).encode())
        algorithm.update(self.samples.detach().cpu().numpy().reshape(-1).data)
        return algorithm.hexdigest()

    @cached_property
    def labels_digest(self) -> str | None:
        """SHA-256 of the labels' bytes, in hexadecimal; None without labels."""
        return None if self.labels is None else hashlib.sha256(self.labels.cpu().numpy().data).hexdigest()

    def __len__(self) -> int:
        return self.samples.shape[0]

    def normalise(self, batch: Tensor) -> Tensor:
        """Return samples as networks see them; see ``SampleSpace.normalise``."""
        return self.sample_space.normalise(batch)

    def denormalise(self, batch: Tensor) -> Tensor:
        """Return what networks see as samples; see ``SampleSpace.denormalise``."""
        return self.sample_space.denormalise(batch)


def _describe(tensor: Tensor) -> str:
    """Return type and shape: ``uint8 [60000, 1, 28, 28]``."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
