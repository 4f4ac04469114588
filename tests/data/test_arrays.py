"""Arrays of NumPy's as a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_experiments.data.arrays import load
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError

IMAGES = np.arange(6 * 3 * 4 * 5).reshape(6, 3, 4, 5).astype(np.uint8)
POINTS = np.linspace(-8, 4, 12).reshape(6, 2).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def loaded(path: Path, labels: Path | None = None, image_size: int | None = None) -> Dataset:
    return load("arrays", str(path), None if labels is None else str(labels), image_size, download=False)


def refused(path: Path, labels: Path | None = None) -> str:
    with pytest.raises(UserError) as error:
        loaded(path, labels)
    assert "\n" not in str(error.value)
    return str(error.value)


def saved(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    ("array", "samples"),
    [
        (IMAGES, IMAGES),
        (IMAGES.transpose(0, 2, 3, 1), IMAGES),
        (IMAGES[:, 0], IMAGES[:, :1]),
        (np.asfortranarray(IMAGES), IMAGES),
        (POINTS, POINTS),
    ],
    ids=["NCHW", "NHWC", "NHW", "Fortran's order", "points"],
)
def test_samples_in_any_layout(array: np.ndarray, samples: np.ndarray, tmp_path: Path) -> None:
    dataset = loaded(saved(tmp_path / "mine.npy", array))
    assert torch.equal(dataset.samples, torch.from_numpy(samples))
    assert dataset.labels is None
    assert dataset.source == str(tmp_path / "mine.npy")


def test_labels_beside_them_or_in_a_file_of_their_own(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mine.npz", images=IMAGES, labels=LABELS.astype(np.uint8))
    dataset = loaded(tmp_path / "mine.npz")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == LABELS.tolist()
    assert dataset.classes == 3
    other = loaded(tmp_path / "mine.npz", saved(tmp_path / "labels.npy", LABELS[::-1]))
    assert other.labels is not None
    assert other.labels.tolist() == LABELS[::-1].tolist()


def test_points_reach_as_far_as_the_scale(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", points=POINTS)
    dataset = loaded(tmp_path / "mine.npz")
    assert dataset.scale == 8
    assert dataset.normalise(dataset.samples).abs().max() == 1


def test_images_are_resized_where_a_size_is_asked_for(tmp_path: Path) -> None:
    assert loaded(saved(tmp_path / "mine.npy", IMAGES), image_size=8).sample_shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("array", "described"),
    [
        (IMAGES.astype(np.float32), "float32 [6, 3, 4, 5]"),
        (POINTS.astype(np.float64), "float64 [6, 2]"),
        (IMAGES.astype(np.int64), "int64 [6, 3, 4, 5]"),
        (IMAGES[:, :2], "uint8 [6, 2, 4, 5]"),
        (IMAGES[0, 0], "uint8 [4, 5]"),
        (IMAGES[:0], "uint8 [0, 3, 4, 5]"),
        (np.array("text"), "<U4 []"),
    ],
)
def test_arrays_of_another_kind_are_refused(array: np.ndarray, described: str, tmp_path: Path) -> None:
    line = refused(saved(tmp_path / "mine.npy", array))
    assert line.startswith(f"data.root={tmp_path}/mine.npy is {described}; it must be images, uint8 [N, C, H, W]")


def test_points_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[3, 1] = np.nan
    assert "a point is NaN or infinite" in refused(saved(tmp_path / "mine.npy", points))


@pytest.mark.parametrize(
    ("labels", "finding"),
    [
        (LABELS[:5], "labels are int64 [5]; they must be whole numbers [6]"),
        (LABELS.astype(float), "labels are float64 [6]; they must be whole numbers [6]"),
        (LABELS - 1, "a label is -1; labels must be classes, counted from 0"),
    ],
)
def test_labels_of_another_kind_are_refused(labels: np.ndarray, finding: str, tmp_path: Path) -> None:
    assert finding in refused(saved(tmp_path / "mine.npy", IMAGES), saved(tmp_path / "labels.npy", labels))


class Explosive:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    dangerous = np.array([Explosive()], dtype=object)
    np.save(tmp_path / "mine.npy", dangerous, allow_pickle=True)
    np.savez(tmp_path / "mine.npz", images=dangerous)
    for path in (tmp_path / "mine.npy", tmp_path / "mine.npz"):
        assert "it holds Python objects, which are pickled and never loaded" in refused(path)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "absent.npy")
    assert "No such file" in refused(tmp_path / "absent.npz")
    for name, content in (("text.npy", b"text"), ("text.npz", b"text"), ("empty.npy", b"")):
        (tmp_path / name).write_bytes(content)
        assert f"data.root={tmp_path}/{name}: must be an .npz or .npy file" in refused(tmp_path / name)
    whole = saved(tmp_path / "cut.npy", IMAGES).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-10])
    assert "cannot be read" in refused(tmp_path / "cut.npy")
    np.savez(tmp_path / "other.npz", x=IMAGES, y=LABELS)
    assert refused(tmp_path / "other.npz").endswith("must have an array images or points; it has x, y")
