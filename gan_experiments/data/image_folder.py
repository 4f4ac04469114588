"""Any folder of pictures, read once and kept as one tensor."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import MISSING
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from gan_experiments.configuration.fields import above, at_least, at_most, one_of, setting
from gan_experiments.data.dataset import Dataset, ImageDataConfig
from gan_experiments.data.fraction import choose
from gan_experiments.data.memory import check_fits
from gan_experiments.errors import UserError

log = logging.getLogger(__name__)

CACHE = ".gan_experiments"
"""Folder in the folder of pictures that holds the tensors made of them; may be deleted at any time."""

PROGRESS: dict[str, Any] = {"unit": "picture", "delay": 1, "leave": False, "disable": None}
"""Progress bars appear only on a terminal, after a second."""

_HELD_OUT = 10_000
"""Pictures that are read, of those that are not learnt."""

PREPARATION = 1
"""Version of the way in which pictures become tensors; change it with the way, or old caches are used."""


@dataclass
class ImageFolderDataConfig:
    """Any folder of pictures, searched recursively."""

    _target_: str = setting("gan_experiments.data.image_folder.load", "function that loads the data")
    name: str = setting("image_folder", "the data set's name, as it appears in run names and in MLflow")
    root: str = setting(MISSING, "the folder of pictures; a cache is kept next to them, keyed by their content")
    image_size: int = setting(28, "pixels; the shorter side is resized to it and the centre cropped", at_least(1))
    channels: int = setting(3, "1 for grey, 3 for colour", one_of(1, 3))
    labels: str = setting(
        "none", "folders: every sub-folder is a class, of all pictures below it", one_of("none", "folders")
    )
    download: bool = setting(False, "without effect: a folder is never downloaded")
    fraction: float = setting(
        1.0, "share of the samples that is learnt, the same one under every seed", above(0) & at_most(1)
    )

    sample_shape = staticmethod(ImageDataConfig.sample_shape)


def load(
    name: str,
    root: str,
    image_size: int,
    channels: int,
    download: bool,
    labels: str = "none",
    fraction: float = 1.0,
) -> Dataset:
    """Load every picture below a folder, in the order of their paths; hidden files and folders are left out.

    A picture is turned as its EXIF data say and put on white where it is transparent; its shorter side is resized
    to ``image_size`` (bicubic, antialiased) and the centre cropped. Of an animation the first frame counts.

    The result is kept in ``ROOT/.gan_experiments`` under a digest of all contents, read anew each time: a change of
    any picture makes it anew. Without the right to write there, every run decodes all pictures.

    Args:
        name: The data set's name.
        root: The folder; symbolic links are followed, to every folder once.
        image_size: Height and width in pixels.
        channels: 1 for grey, 3 for colour.
        download: Without effect: there is nothing to fetch.
        labels: ``folders`` for the sub-folders of ``root``, in sorted order, as classes; or ``none``.
        fraction: Share of the pictures that is learnt; of the others at most 10,000 are read, to be held out.

    Returns:
        Images uint8 ``[N, channels, image_size, image_size]``.

    Raises:
        UserError: The folder is missing, unreadable, without pictures, or too large for the memory; a picture cannot
            be read; or one lies in no sub-folder where these are the classes.
    """
    folder = Path(root).expanduser()
    paths = _pictures(folder, root)
    classes = _classes(paths, root) if labels == "folders" else []
    numbers = {top: number for number, top in enumerate(classes)}
    of_each = torch.tensor([numbers[path.split("/")[0]] for path in paths]) if classes else None
    kept, left_out = choose(name, len(paths), of_each, fraction)
    left_out = left_out[:_HELD_OUT]
    paths = [paths[index] for index in torch.cat((kept, left_out)).tolist()]
    check_fits(name, len(paths), (channels, image_size, image_size))
    key = _key(folder, paths, image_size, channels)
    cache = folder / CACHE / f"{key}.pt"
    samples = _cached(cache)
    if samples is None:
        samples = _decode(folder, paths, image_size, channels)
        _keep(samples, cache)
    return Dataset(
        name,
        samples[: len(kept)],
        None if of_each is None else of_each[kept],
        source=str(folder.absolute()),
        validation=samples[len(kept) :] if len(left_out) else None,
        validation_labels=of_each[left_out] if of_each is not None and len(left_out) else None,
        class_names=tuple(classes) or None,
    )


def _pictures(folder: Path, root: str) -> list[str]:
    """Return the paths of the pictures relative to ``folder``, with slashes, sorted."""
    Image.init()
    # Formats with an image type: the others are documents, films, and stubs that only some plug-in can read.
    formats = {key for key in Image.OPEN if Image.MIME.get(key, "").startswith("image/")}
    endings = {ending for ending, key in Image.registered_extensions().items() if key in formats}

    def refuse(error: OSError) -> None:
        raise UserError(
            f"data.root={root}: must be a folder of pictures; {error.filename}: {error.strerror}"
        ) from error

    found, others = [], Counter[str]()
    for file in _files(folder, refuse):
        if file.suffix.lower() in endings:
            found.append(file.relative_to(folder).as_posix())
        else:
            others[file.suffix.lower() or "without an ending"] += 1
    if not found:
        common = "png, jpg, webp, gif, bmp, tif"
        only = f"; there are {_kinds(others)}" if others else ""
        raise UserError(f"data.root={root}: no picture in {folder.absolute()} or below it ({common}, …){only}")
    if others:
        log.warning(
            "data.root=%s: %d of %d files are pictures; skipped: %s",
            *(root, len(found), len(found) + others.total(), _kinds(others)),
        )
    return sorted(found)


def _files(folder: Path, refuse: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield the files below a folder; links are followed, and every real folder is visited once."""
    visited: set[tuple[int, int]] = set()
    links = deque([folder])
    while links:  # after all that is reached without them, so that a folder has its own name rather than a link's
        for parent, folders, files in os.walk(links.popleft(), onerror=refuse):
            status = Path(parent).stat()
            if (status.st_dev, status.st_ino) in visited:
                folders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            folders[:] = sorted(entry for entry in folders if not entry.startswith("."))
            links.extend(path for entry in folders if (path := Path(parent, entry)).is_symlink())
            yield from (Path(parent, file) for file in files if not file.startswith("."))


def _kinds(endings: Counter[str]) -> str:
    """Say how many files of which endings: ``40 .txt, 2 .heic``; at most five kinds by name."""
    most = sorted(endings.items(), key=lambda kind: (-kind[1], kind[0]))[:5]
    named = [f"{count} {ending}" for ending, count in most]
    rest = endings.total() - sum(count for _, count in most)
    return ", ".join([*named, *([f"{rest} more"] if rest else [])])


def _classes(paths: list[str], root: str) -> list[str]:
    """Return the names of the sub-folders, sorted."""
    loose = [path for path in paths if "/" not in path]
    if loose:
        which = "no picture lies in a sub-folder" if len(loose) == len(paths) else f"{loose[0]} lies in no sub-folder"
        raise UserError(f"data.labels=folders: {which} of data.root={root}; each must be in one, which is its class")
    return sorted({path.split("/")[0] for path in paths})


def _key(folder: Path, paths: list[str], image_size: int, channels: int) -> str:
    """Return a digest of the pictures' contents in their order, and of what is made of them."""

    def digest(path: str) -> bytes:
        try:
            with (folder / path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise _unreadable(folder / path, error) from error

    key = hashlib.sha256(f"{PREPARATION} {image_size} {channels}".encode())
    with ThreadPoolExecutor() as pool:
        digests = tqdm(pool.map(digest, paths), "looking for changes", len(paths), **PROGRESS)
        for content in digests:
            key.update(content)
    return key.hexdigest()


def _decode(folder: Path, paths: list[str], image_size: int, channels: int) -> Tensor:
    samples = torch.empty(len(paths), channels, image_size, image_size, dtype=torch.uint8)

    def fill(index: int) -> Exception | None:
        try:
            with Image.open(folder / paths[index]) as image:
                pixels = np.array(_prepare(image, image_size, channels))
        except Exception as error:  # a decoder may raise anything on a damaged file
            return error
        samples[index] = torch.from_numpy(pixels).view(image_size, image_size, channels).permute(2, 0, 1)
        return None

    with ThreadPoolExecutor() as pool:
        outcomes = list(tqdm(pool.map(fill, range(len(paths))), "reading pictures", len(paths), **PROGRESS))
    damaged = {path: error for path, error in zip(paths, outcomes, strict=True) if error is not None}
    if damaged:
        first, error = next(iter(damaged.items()))
        raise _unreadable(folder / first, error, len(damaged), len(paths)) from error
    return samples


def _prepare(image: Image.Image, image_size: int, channels: int) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip 16 bits to 8, not scale them.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"its pixels (mode {image.mode}) have no known range")
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("L" if channels == 1 else "RGB")
    return ImageOps.fit(image, (image_size, image_size), Image.Resampling.BICUBIC)


def _unreadable(path: Path, error: Exception, damaged: int = 1, of: int = 1) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    line = f"data.root: {path.absolute()} cannot be read as a picture ({reason}); repair it or remove it"
    return UserError(line if damaged == 1 else f"{line}, and {damaged - 1} others like it of {of} files")


def _cached(cache: Path) -> Tensor | None:
    try:
        return torch.load(cache, weights_only=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        log.warning("the cache %s cannot be used and will be made anew (%s)", cache, type(error).__name__)
        return None


def _keep(samples: Tensor, cache: Path) -> None:
    """Write the cache in one step: no other run ever sees half of it."""
    temporary = cache.with_suffix(f".{os.getpid()}")
    try:
        cache.parent.mkdir(exist_ok=True)
        try:
            torch.save(samples, temporary)
            temporary.replace(cache)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        log.warning("no cache in %s (%s): the next run reads all pictures again", cache.parent, error)
