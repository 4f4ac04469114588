"""Small files in MNIST's format, and a release that is made of them."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import torch

from gan_experiments.data.idx import IMAGES, LABELS, Release

COUNT = 20
PIXELS = torch.arange(COUNT * 28 * 28).mul(7).remainder(256).to(torch.uint8).view(COUNT, 28, 28)
CLASSES = torch.arange(COUNT).remainder(10).to(torch.uint8)


def idx(values: torch.Tensor) -> bytes:
    """The IDX file of a uint8 tensor."""
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.numpy().tobytes()


def packed(content: bytes) -> bytes:
    """Compressed, the same bytes each time."""
    return gzip.compress(content, mtime=0)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


FILES = {IMAGES: idx(PIXELS), LABELS: idx(CLASSES)}
PACKED_FILES = {f"{name}.gz": packed(content) for name, content in FILES.items()}

EXTRACTED_RELEASE = Release("MNIST", (COUNT, 28, 28), {name: md5(content) for name, content in FILES.items()})
"""A release whose extracted files have known checksums, as MNIST."""

PACKED_RELEASE = Release("KMNIST", (COUNT, 28, 28), {name: md5(content) for name, content in PACKED_FILES.items()})
"""A release whose compressed files have known checksums, as KMNIST."""


def write(raw: Path, files: dict[str, bytes]) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
