"""MNIST and the sets in its format, as torchvision lays them out on disk, every byte verified.

Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998); H. Xiao, K. Rasul and
R. Vollgraf, "Fashion-MNIST" (2017); T. Clanuwat et al., "Deep learning for classical Japanese literature" (2018).
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import struct
import sys
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from gan_experiments.configuration.fields import at_least, below, setting
from gan_experiments.data.dataset import Dataset, ImageDataConfig
from gan_experiments.data.memory import check_fits
from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@dataclass
class IdxDataConfig(ImageDataConfig):
    """MNIST and the sets in its format."""

    _target_: str = setting("gan_experiments.data.idx.load", "function that loads the data")
    validation: int = setting(
        0,
        "training images, the last ones, that are not learnt; Parzen's width is chosen on them",
        at_least(0) & below(60_000),
    )


@dataclass(frozen=True)
class Release:
    """A published data set.

    Attributes:
        folder: Name of its folder, and of its class in torchvision.
        shape: Shape of the training images.
        md5: Published checksums of its files, extracted or compressed.
        class_names: Names of its classes, as published.
        test_shape: Shape of the test images.
        installed: Folder of the files where the system's package of them is installed.
    """

    folder: str
    shape: tuple[int, int, int]
    md5: Mapping[str, str]
    class_names: tuple[str, ...] = tuple("0123456789")
    test_shape: tuple[int, int, int] = (10_000, 28, 28)
    installed: Path | None = None


RELEASES = {
    "mnist": Release(
        "MNIST",
        (60_000, 28, 28),
        {
            IMAGES: "6bbc9ace898e44ae57da46a324031adb",
            LABELS: "a25bea736e30d166cdddb491f175f624",
            TEST_IMAGES: "2646ac647ad5339dbf082846283269ea",
            TEST_LABELS: "27ae3e4e09519cfbb04c329615203637",
        },
    ),
    "fashion_mnist": Release(
        "FashionMNIST",
        (60_000, 28, 28),
        {
            IMAGES: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            LABELS: "9018921c3c673c538a1fc5bad174d6f9",
            TEST_IMAGES: "8181f5470baa50b63fa0f6fddb340f0a",
            TEST_LABELS: "15d484375f8d13e6eb1aabb0c3f46965",
        },
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        installed=Path("/usr/share/datasets/fashion-mnist"),  # Debian's dataset-fashion-mnist
    ),
    # Published for the compressed files alone, which are therefore kept and read where they are there.
    "kmnist": Release(
        "KMNIST",
        (60_000, 28, 28),
        {
            f"{IMAGES}.gz": "bdb82020997e1d708af4cf47b453dcf7",
            f"{LABELS}.gz": "e144d726b3acfaa3e44228e80efcd344",
            f"{TEST_IMAGES}.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
            f"{TEST_LABELS}.gz": "7320c461ea6c1c855c0b718fb2a4b134",
        },
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
}


def load(name: str, root: str, image_size: int, download: bool, validation: int = 0) -> Dataset:
    """Load the training set of MNIST, Fashion-MNIST or KMNIST.

    It reads ``ROOT/MNIST/raw/train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or the same compressed
    (``.gz``); ``FashionMNIST`` and ``KMNIST`` in the same way. ``ROOT`` may also hold the files themselves,
    and those of Debian's package ``dataset-fashion-mnist`` are found where it puts them. It checks magic number,
    dimensions, length and MD5; of KMNIST's extracted files, whose MD5 nobody publishes, all but the last.

    Args:
        name: ``mnist``, ``fashion_mnist`` or ``kmnist``.
        root: The folder above ``MNIST``; a download makes it.
        image_size: Height and width in pixels; images are resized where it is not 28.
        download: Whether torchvision may fetch files that are missing. Otherwise the network is not touched.
        validation: How many of the training images, the last ones, are not learnt.

    Returns:
        Images uint8 ``[60000 - validation, 1, image_size, image_size]``, white on black, with labels 0..9. Its
        ``test`` loads the 10,000 test images from the files beside them, ``t10k-…``, in the same way.

    Raises:
        UserError: The name is none of these; files are missing and may not or cannot be fetched; or a file is
            unreadable, truncated, too long, of another format or size, or its checksum is wrong.
    """
    if name not in RELEASES:
        raise UserError(f"data.name={name}: must be {', '.join(RELEASES)} for gan_experiments.data.idx.load")
    release = RELEASES[name]
    train = _load(release, name, root, image_size, download, (IMAGES, LABELS), release.shape)
    parts = (TEST_IMAGES, TEST_LABELS), release.test_shape
    test = partial(_load, release, name, root, image_size, download, *parts)
    if not validation:
        return replace(train, test=test)
    assert train.labels is not None
    return replace(
        train,
        samples=train.samples[:-validation],
        labels=train.labels[:-validation],
        test=test,
        validation=train.samples[-validation:],
        validation_labels=train.labels[-validation:],
    )


def _load(
    release: Release,
    name: str,
    root: str,
    image_size: int,
    download: bool,
    files: tuple[str, str],
    shape: tuple[int, int, int],
) -> Dataset:
    """Load the training or the test set from its two files."""
    raw = _folder(release, root, files)
    missing = [file for file in files if _find(raw, file, release) is None]
    if missing and not download:
        raise UserError(
            f"data.root={root}: no {' and no '.join(missing)} in {raw.absolute()}, and data.download=false; "
            f"set data.root to the folder that holds {release.folder}/raw or the files, allow data.download=true, "
            "or take data=digits, which needs no files"
        )
    check_fits(name, shape[0], (1, image_size, image_size))
    if missing:
        _download(release, root, raw)
    images = _read(raw, files[0], release, shape)
    labels = _read(raw, files[1], release, shape[:1])
    return Dataset(
        name,
        resize(images.unsqueeze(1), image_size),
        labels.long(),
        source=str(raw.absolute()),
        class_names=release.class_names,
    )


def _folder(release: Release, root: str, files: tuple[str, str]) -> Path:
    """Return the folder that has these files, or else the one that a download puts them into."""
    raw = Path(root).expanduser() / release.folder / "raw"
    places = [raw, Path(root).expanduser(), *([release.installed] if release.installed else [])]
    return next((place for place in places if all(_find(place, file, release) for file in files)), raw)


def _find(raw: Path, file: str, release: Release) -> Path | None:
    """Find ``file``, extracted or compressed; the one with a known checksum where both are there."""
    try:
        found = [path for path in (raw / file, raw / f"{file}.gz") if path.exists()]
    except OSError as error:
        raise UserError(f"data.root: {raw.absolute()} cannot be read ({error.strerror})") from error
    return min(found, key=lambda path: path.name not in release.md5, default=None)


def _read(raw: Path, file: str, release: Release, shape: tuple[int, ...]) -> Tensor:
    """Return the verified contents of an IDX file of unsigned bytes, uint8 of this shape."""
    path = _find(raw, file, release)
    assert path is not None
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            _verify(path, content, release.md5.get(path.name))
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f"cannot be read ({error})") from error
    # Two zeros, 8 for unsigned bytes, the number of dimensions; then each dimension, big-endian.
    magic = bytes((0, 0, 8, len(shape)))
    header = len(magic) + 4 * len(shape)
    length = header + prod(shape)
    if content[:4] != magic:
        raise _damaged(path, f"its magic number is {content[:4].hex() or 'missing'}, not {magic.hex()}")
    if len(content) >= header and (found := struct.unpack_from(f">{len(shape)}I", content, 4)) != shape:
        raise _damaged(path, f"its dimensions are {_times(found)}, not {_times(shape)}")
    if len(content) != length:
        raise _damaged(path, f"it is {len(content)} bytes long, not {length}")
    _verify(path, content, release.md5.get(file))
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).view(shape)


def _verify(path: Path, content: bytes, expected: str | None) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if expected is not None and found != expected:
        raise _damaged(path, f"its MD5 is {found}, not {expected}")


def _damaged(path: Path, finding: str) -> UserError:
    advice = "replace it, or delete it and allow data.download=true"
    return UserError(f"data.root: {path.absolute()} is damaged or another file: {finding}; {advice}")


def _times(dimensions: tuple[int, ...]) -> str:
    return " x ".join(map(str, dimensions))


def _download(release: Release, root: str, raw: Path) -> None:
    """Fetch the release with torchvision, which verifies what it fetches, and move it into ``raw`` when whole."""
    from torchvision import datasets  # here, because importing it takes two seconds

    print(f"fetching {release.folder} into {raw.absolute()}", file=sys.stderr, flush=True)
    try:
        # Beside its destination, so that a move is one step; what fails leaves nothing behind.
        existing = next(folder for folder in (raw, *raw.absolute().parents) if folder.is_dir())
        with tempfile.TemporaryDirectory(dir=existing, prefix=".download-") as temporary:
            getattr(datasets, release.folder)(temporary, download=True)
            raw.mkdir(parents=True, exist_ok=True)
            for path in Path(temporary, release.folder, "raw").iterdir():
                if not (raw / path.name).exists():
                    path.replace(raw / path.name)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"data.download=true: {release.folder} could not be fetched into data.root={root} ({reason}); "
            f"put its files into {raw.absolute()} by hand, or take data=digits, which needs none"
        ) from error
