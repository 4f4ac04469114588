"""CIFAR, SVHN, STL-10, CelebA and EMNIST as torchvision fetches, verifies and lays them out.

A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009); Y. Netzer et al., "Reading digits in
natural images with unsupervised feature learning" (2011); A. Coates et al., "An analysis of single-layer networks in
unsupervised feature learning" (2011); Z. Liu et al., "Deep learning face attributes in the wild" (2015); G. Cohen et
al., "EMNIST: Extending MNIST to handwritten letters" (2017).
"""

from __future__ import annotations

import http.client
import pickle
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from gan_experiments.configuration.fields import at_least, one_of, setting
from gan_experiments.data.dataset import Dataset, ImageDataConfig
from gan_experiments.data.memory import check_fits
from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError


@dataclass
class TorchvisionDataConfig(ImageDataConfig):
    """Colour images that torchvision fetches."""

    _target_: str = setting("gan_experiments.data.torchvision_sets.load", "function that loads the data")
    image_size: int = setting(32, "height and width in pixels; other images are resized (antialiased)", at_least(1))

    @staticmethod
    def sample_shape(keys: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the shape of one image."""
        return 3, keys["image_size"], keys["image_size"]


@dataclass
class CelebaDataConfig(TorchvisionDataConfig):
    """Faces of CelebA."""

    image_size: int = setting(64, "height and width in pixels; the central square of 178 is resized", at_least(1))
    attribute: str | None = setting(
        None, "one of CelebA's 40 attributes, such as Male, as two classes; null for none"
    )


@dataclass
class EmnistDataConfig(ImageDataConfig):
    """Handwritten letters and digits of EMNIST."""

    _target_: str = setting("gan_experiments.data.torchvision_sets.load", "function that loads the data")
    split: str = setting(
        "balanced", "EMNIST's split", one_of("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    )


@dataclass(frozen=True)
class PublishedSet:
    """A data set of torchvision's.

    Attributes:
        kind: Its class in ``torchvision.datasets``.
        shape: Number, channels, height and width of its training images.
        train: Arguments that choose the training images.
        test: Arguments that choose the test images.
        read: Returns the images of an instance, uint8 ``[N, C, size, size]``.
    """

    kind: str
    shape: tuple[int, int, int, int]
    train: Mapping[str, Any]
    test: Mapping[str, Any]
    read: Callable[[Any, int], Tensor]


def _cifar(data: Any, size: int) -> Tensor:
    return resize(torch.from_numpy(data.data).permute(0, 3, 1, 2), size)


def _arrays(data: Any, size: int) -> Tensor:
    return resize(torch.from_numpy(np.ascontiguousarray(data.data)), size)


def _emnist(data: Any, size: int) -> Tensor:
    # EMNIST stores its images lying on their side.
    return resize(data.data.transpose(1, 2).unsqueeze(1).contiguous(), size)


def _faces(data: Any, size: int) -> Tensor:
    """Decode each picture to its final size at once: all of them as they are would take 28 GB."""
    folder = Path(data.root, data.base_folder, "img_align_celeba")
    images = torch.empty(len(data.filename), 3, size, size, dtype=torch.uint8)

    def fill(index: int) -> None:
        with Image.open(folder / data.filename[index]) as picture:
            square = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
        images[index] = torch.from_numpy(np.array(square)).permute(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        indices = range(len(images))
        list(tqdm(pool.map(fill, indices), "reading pictures", len(images), unit="picture", delay=1, disable=None))
    return images


_TRAIN_TEST = {"train": True}, {"train": False}
_SPLITS = {"split": "train"}, {"split": "test"}
SETS = {
    "cifar10": PublishedSet("CIFAR10", (50_000, 3, 32, 32), *_TRAIN_TEST, _cifar),
    "cifar100": PublishedSet("CIFAR100", (50_000, 3, 32, 32), *_TRAIN_TEST, _cifar),
    "svhn": PublishedSet("SVHN", (73_257, 3, 32, 32), *_SPLITS, _arrays),
    "stl10": PublishedSet("STL10", (5_000, 3, 96, 96), *_SPLITS, _arrays),
    "celeba": PublishedSet("CelebA", (162_770, 3, 218, 178), *_SPLITS, _faces),
    "emnist": PublishedSet("EMNIST", (112_800, 1, 28, 28), *_TRAIN_TEST, _emnist),
}


def load(
    name: str, root: str, image_size: int, download: bool, attribute: str | None = None, split: str | None = None
) -> Dataset:
    """Load the training set of one of ``SETS``.

    Args:
        name: ``cifar10``, ``cifar100``, ``svhn``, ``stl10`` (its 5,000 labelled images), ``celeba`` or ``emnist``.
        root: The folder in which torchvision lays out its files.
        image_size: Height and width in pixels; images are resized where it is another.
        download: Whether torchvision may fetch files that are missing. Otherwise the network is not touched.
        attribute: For ``celeba``, the attribute that gives the labels; None for no labels.
        split: For ``emnist``, which of its splits.

    Returns:
        Images uint8 ``[N, C, image_size, image_size]`` with labels and the names of their classes. Its ``test`` loads
        the test set. torchvision verifies the checksum of what it fetches and of what it reads, except the pictures
        of ``celeba`` and the extracted files of ``emnist``.

    Raises:
        UserError: The name is none of these; files are missing and may not or cannot be fetched; one is damaged; the
            set does not fit into memory; or the attribute is unknown.
    """
    if name not in SETS:
        raise UserError(f"data.name={name}: must be {', '.join(SETS)} for gan_experiments.data.torchvision_sets.load")
    published = SETS[name]
    count, channels = published.shape[:2]
    native = 0 if name == "celeba" else published.shape[2] * published.shape[3]  # faces are decoded one by one
    check_fits(name, count, (channels, max(native, image_size**2)))
    chosen = {} if split is None else {"split": split}

    def part(which: Mapping[str, Any]) -> Dataset:
        data = _open(published, root, download, {**which, **chosen})
        labels, names = _labels(data, attribute)
        try:
            images = published.read(data, image_size)
        except OSError as error:
            raise _unusable(published, root, download, error) from error
        return Dataset(
            name,
            images.contiguous(),
            None if labels is None else torch.as_tensor(labels, dtype=torch.int64),
            source=f"torchvision's {published.kind} in {Path(root).expanduser().absolute()}",
            class_names=names,
        )

    return replace(part(published.train), test=lambda: part(published.test))


def _open(published: PublishedSet, root: str, download: bool, chosen: Mapping[str, Any]) -> Any:
    """Return torchvision's data set, fetched if need be."""
    from torchvision import datasets  # here, because importing it takes two seconds

    kind = getattr(datasets, published.kind)
    folder = Path(root).expanduser()
    try:
        try:
            return kind(str(folder), download=False, **chosen)
        except RuntimeError:
            if not download:
                raise
        print(f"fetching {published.kind} into {folder.absolute()}", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        return kind(str(folder), download=True, **chosen)
    except (
        *(OSError, RuntimeError, EOFError, ValueError, http.client.HTTPException),
        *(tarfile.TarError, zipfile.BadZipFile, pickle.UnpicklingError),
    ) as error:
        raise _unusable(published, root, download, error) from error


def _unusable(published: PublishedSet, root: str, download: bool, error: Exception) -> UserError:
    if not download:
        return UserError(
            f"data.root={root}: {published.kind} is not there as torchvision lays it out, or damaged, and "
            "data.download=false; set data.root to its folder, allow data.download=true, or take data=emoji, which "
            "needs no files"
        )
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(
        f"data.download=true: {published.kind} could not be fetched into data.root={root} ({reason}); put its files "
        "there by hand, or take data=emoji, which needs none"
    )


def _labels(data: Any, attribute: str | None) -> tuple[Any, tuple[str, ...] | None]:
    """Return the labels and the names of the classes, or None twice."""
    if hasattr(data, "attr_names"):  # faces, of which an attribute makes two classes
        if attribute is None:
            return None, None
        names = [name for name in data.attr_names if name]
        if attribute not in names:
            raise UserError(f"data.attribute={attribute}: must be one of {', '.join(names)}, or null")
        return data.attr[:, names.index(attribute)], (f"not {attribute}", attribute)
    labels = data.targets if hasattr(data, "targets") else data.labels
    names = tuple(getattr(data, "classes", "0123456789"))  # SVHN has digits
    if names[0] == "N/A":  # EMNIST's letters are counted from 1
        return labels - 1, names[1:]
    return labels, names
