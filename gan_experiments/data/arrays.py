"""Samples that are arrays in a file of NumPy's already. Nothing in it is ever unpickled."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.lib import format as npy
from omegaconf import MISSING
from torch import Tensor

from gan_experiments.configuration.fields import above, at_least, at_most, setting
from gan_experiments.data.dataset import Dataset
from gan_experiments.data.memory import check_fits
from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError

_CHANNELS = (1, 3)
_ALLOWED = (
    "must be images, uint8 [N, C, H, W], [N, H, W, C] or [N, H, W] of 1 or 3 channels, or points, float32 [N, D]"
)


@dataclass
class ArraysDataConfig:
    """Arrays in a file of NumPy's."""

    _target_: str = setting("gan_experiments.data.arrays.load", "function that loads the data")
    name: str = setting("arrays", "the data set's name, as it appears in run names and in MLflow")
    root: str = setting(MISSING, "an .npz file with an array images (or points) and perhaps labels, or an .npy file")
    labels: str | None = setting(
        None, "an .npy file of labels, whole numbers from 0; null for those in the .npz file"
    )
    image_size: int | None = setting(
        None, "pixels to which images are resized; null leaves them as they are", at_least(1)
    )
    download: bool = setting(False, "without effect: arrays are never downloaded")
    fraction: float = setting(
        1.0, "share of the samples that is learnt, the same one under every seed", above(0) & at_most(1)
    )


def load(name: str, root: str, labels: str | None, image_size: int | None, download: bool) -> Dataset:
    """Load images or points, and their labels where there are any.

    Args:
        name: The data set's name.
        root: An ``.npz`` file with ``images`` (or ``points``) and perhaps ``labels``; or an ``.npy`` file. Images are
            uint8 ``[N, C, H, W]``, ``[N, H, W, C]`` or ``[N, H, W]``, C being 1 or 3; points are float32 ``[N, D]``.
        labels: An ``.npy`` file of whole numbers ``[N]``, or None.
        image_size: Height and width to which images are resized; None leaves them as they are.
        download: Without effect: there is nothing to fetch.

    Returns:
        The samples; the scale of points is the largest of their coordinates.

    Raises:
        UserError: A file is missing or damaged, or an array is of another type or shape, not finite, pickled, or too
            large for the memory.
    """
    path = Path(root).expanduser()
    samples, its_labels = _read_samples(name, path)
    if labels is not None:
        its_labels = _read(name, "data.labels", Path(labels).expanduser(), None)
    classes = None if its_labels is None else _classes(its_labels, len(samples), labels or str(path))
    source = str(path.absolute())
    if samples.dtype == torch.float32:
        if not bool(samples.isfinite().all()):
            raise UserError(f"data.root={root}: a point is NaN or infinite; all must be finite")
        return Dataset(name, samples, classes, source, scale=float(samples.abs().max()) or 1.0)
    return Dataset(name, samples if image_size is None else resize(samples, image_size), classes, source)


def _read_samples(name: str, path: Path) -> tuple[Tensor, np.ndarray | None]:
    """Return the samples, as a data set has them, and the labels beside them, as they are."""
    key = f"data.root={path}"
    if path.suffix != ".npz":
        return _samples(_read(name, "data.root", path, None), key), None
    members = _members(path)
    found = next((member for member in ("images", "points") if member in members), None)
    if found is None:
        there = ", ".join(members) or "nothing"
        raise UserError(f"{key}: must have an array images or points; it has {there}")
    samples = _samples(_read(name, "data.root", path, found), f"{key}: {found}")
    return samples, _read(name, "data.root", path, "labels") if "labels" in members else None


def _samples(array: np.ndarray, what: str) -> Tensor:
    described = f"{array.dtype} {list(array.shape)}"
    images = array.dtype == np.uint8 and array.ndim in (3, 4)
    if array.size == 0 or not (images or (array.dtype == np.float32 and array.ndim == 2)):
        raise UserError(f"{what} is {described}; it {_ALLOWED}")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in _CHANNELS:
        if array.shape[3] not in _CHANNELS:
            raise UserError(f"{what} is {described}; it {_ALLOWED}")
        array = array.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(array))


def _classes(labels: np.ndarray, count: int, where: str) -> Tensor:
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise UserError(
            f"data.labels={where}: labels are {labels.dtype} {list(labels.shape)}; "
            f"they must be whole numbers [{count}]"
        )
    return torch.from_numpy(labels.astype(np.int64))


def _members(path: Path) -> list[str]:
    """Return the names of the arrays in an ``.npz`` file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise _unreadable("data.root", path, error) from error


def _read(name: str, key: str, path: Path, member: str | None) -> np.ndarray:
    """Read an ``.npy`` file, or a member of an ``.npz`` file, once its header says that it may be."""
    try:
        if member is None:
            with path.open("rb") as file:
                return _array(name, file)
        with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as file:
            return _array(name, file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(key, path, error) from error


def _array(name: str, file: IO[bytes]) -> np.ndarray:
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are pickled and never loaded")
    check_fits(name, shape[0] if shape else 1, shape[1:], dtype.itemsize)
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)


def _unreadable(key: str, path: Path, error: Exception) -> UserError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    return UserError(f"{key}={path}: must be an .npz or .npy file of NumPy's; it cannot be read ({reason})")
