"""torchvision's sets, from small files of the true formats, through a server on this machine."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torchvision import datasets

from gan_experiments.data.dataset import Dataset
from gan_experiments.data.torchvision_sets import load
from gan_experiments.errors import UserError
from tests.support.file_server import serving
from tests.support.idx_files import idx, md5, packed

COUNT = 6
LABELS = [1, 0, 2, 1, 0, 2]


def pixels(channels: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (COUNT, channels, size, size), dtype=np.uint8)


def archive(files: dict[str, bytes]) -> bytes:
    """A compressed tar file."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


def cifar(name: str, monkeypatch: pytest.MonkeyPatch, address: str) -> dict[str, bytes]:
    kind = getattr(datasets, name.upper())
    key, names = ("labels", "label_names") if name == "cifar10" else ("fine_labels", "fine_label_names")
    batch = pickle.dumps({"data": pixels(3, 32).reshape(COUNT, -1), key: LABELS})
    meta = pickle.dumps({names: ["apple", "bear", "cup"]})
    files = {"learnt": batch, "test": batch, kind.meta["filename"]: meta}
    packed_files = archive({f"{kind.base_folder}/{file}": content for file, content in files.items()})
    for attribute, value in {
        "url": f"{address}/{name}.tar.gz",
        "tgz_md5": md5(packed_files),
        "train_list": [["learnt", md5(batch)]],
        "test_list": [["test", md5(batch)]],
        "meta": kind.meta | {"md5": md5(meta)},
    }.items():
        monkeypatch.setattr(kind, attribute, value)
    return {f"{name}.tar.gz": packed_files}


def svhn(name: str, monkeypatch: pytest.MonkeyPatch, address: str) -> dict[str, bytes]:
    content = io.BytesIO()
    labels = np.array([[label or 10] for label in LABELS], np.uint8)  # SVHN calls the digit 0 its tenth class
    scipy.io.savemat(content, {"X": pixels(3, 32).transpose(2, 3, 1, 0), "y": labels})
    files = {f"{part}_32x32.mat": content.getvalue() for part in ("train", "test")}
    lists = {
        part: [f"{address}/{part}_32x32.mat", f"{part}_32x32.mat", md5(content.getvalue())]
        for part in ("train", "test")
    }
    monkeypatch.setattr(datasets.SVHN, "split_list", lists)
    return files


def stl10(name: str, monkeypatch: pytest.MonkeyPatch, address: str) -> dict[str, bytes]:
    images = np.ascontiguousarray(pixels(3, 96).transpose(0, 1, 3, 2)).tobytes()
    labels = bytes(label + 1 for label in LABELS)
    files = {
        "train_X.bin": images,
        "train_y.bin": labels,
        "unlabeled_X.bin": b"",
        "test_X.bin": images,
        "test_y.bin": labels,
    }
    names = {"class_names.txt": b"apple\nbear\ncup\n"}
    content = archive({f"stl10_binary/{file}": data for file, data in (files | names).items()})
    lists = [[file, md5(data)] for file, data in files.items()]
    for attribute, value in {
        "url": f"{address}/stl10.tar.gz",
        "filename": "stl10.tar.gz",
        "tgz_md5": md5(content),
        "train_list": lists[:3],
        "test_list": lists[3:],
    }.items():
        monkeypatch.setattr(datasets.STL10, attribute, value)
    return {"stl10.tar.gz": content}


def emnist(name: str, monkeypatch: pytest.MonkeyPatch, address: str) -> dict[str, bytes]:
    lying = torch.from_numpy(pixels(1, 28)[:, 0].transpose(0, 2, 1).copy())
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for split, first in (("balanced", 0), ("letters", 1)):
            labels = torch.tensor(LABELS, dtype=torch.uint8) + first
            for part in ("train", "test"):
                file.writestr(f"gzip/emnist-{split}-{part}-images-idx3-ubyte.gz", packed(idx(lying)))
                file.writestr(f"gzip/emnist-{split}-{part}-labels-idx1-ubyte.gz", packed(idx(labels)))
    monkeypatch.setattr(datasets.EMNIST, "url", f"{address}/gzip.zip")
    monkeypatch.setattr(datasets.EMNIST, "md5", md5(content.getvalue()))
    return {"gzip.zip": content.getvalue()}


MAKERS: dict[str, Callable[[str, pytest.MonkeyPatch, str], dict[str, bytes]]] = {
    "cifar10": cifar, "cifar100": cifar, "svhn": svhn, "stl10": stl10, "emnist": emnist,
}  # fmt: skip
SHAPES = {"stl10": (3, 96), "emnist": (1, 28)}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of files that a server in place of the real ones serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(folder) as address:
        for name, make in MAKERS.items():
            for file, content in make(name, monkeypatch, address).items():
                (folder / file).write_bytes(content)
        yield folder


def loaded(name: str, root: Path, download: bool, image_size: int | None = None, **keys: Any) -> Dataset:
    size = image_size or SHAPES.get(name, (3, 32))[1]
    if name == "emnist":
        keys = {"split": "balanced"} | keys
    return load(name, str(root), size, download, **keys)


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_fetched_once_with_labels_names_and_its_test_set(
    name: str, served: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset = loaded(name, tmp_path / "data", download=True)
    assert torch.equal(dataset.samples, torch.from_numpy(pixels(*SHAPES.get(name, (3, 32)))))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == LABELS
    assert dataset.class_names is not None
    assert dataset.class_names[1] == {"svhn": "1", "emnist": "1"}.get(name, "bear")
    assert dataset.test is not None
    assert "fetching" in capfd.readouterr().err

    for file in served.iterdir():
        file.unlink()
    assert loaded(name, tmp_path / "data", download=False).digest == dataset.digest
    if name != "svhn":  # whose test set is a file of its own
        assert len(dataset.test()) == COUNT
    assert loaded(name, tmp_path / "data", download=False, image_size=16).sample_shape[1:] == (16, 16)


def test_the_test_set_of_svhn_is_fetched_when_it_is_needed(served: Path, tmp_path: Path) -> None:
    dataset = loaded("svhn", tmp_path / "data", download=True)
    assert not (tmp_path / "data/test_32x32.mat").exists()
    assert dataset.test is not None
    assert len(dataset.test()) == COUNT


def test_letters_are_counted_from_0(served: Path, tmp_path: Path) -> None:
    dataset = loaded("emnist", tmp_path / "data", download=True, split="letters")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == LABELS
    assert dataset.class_names is not None
    assert (len(dataset.class_names), dataset.class_names[0]) == (26, "a")


@pytest.mark.parametrize("name", [*MAKERS, "celeba"])
def test_nothing_is_fetched_where_that_is_not_allowed(name: str, served: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data\.root=\S+: .* data\.download=false; .*data=emoji") as error:
        loaded(name, tmp_path / "data", download=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", MAKERS)
def test_a_download_of_other_bytes_is_one_line(name: str, served: Path, tmp_path: Path) -> None:
    for file in served.iterdir():
        file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(UserError, match=r"^data\.download=true: \w+ could not be fetched into data\.root=") as error:
        loaded(name, tmp_path / "data", download=True)
    assert "\n" not in str(error.value)


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CelebA of five faces, of which the last two are its test set."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(5)]
    for grey, name in enumerate(names):
        Image.new("RGB", (178, 218), (50 * grey,) * 3).save(folder / "img_align_celeba" / name)
    of_each = {
        "list_attr_celeba.txt": ("4\nBald Male\n", "-1 1"),
        "identity_CelebA.txt": ("", "7"),
        "list_bbox_celeba.txt": ("4\nimage_id x_1 y_1 width height\n", "1 2 3 4"),
        "list_landmarks_align_celeba.txt": ("4\nx y\n", "1 2"),
    }
    texts = {file: first + "".join(f"{name} {row}\n" for name in names) for file, (first, row) in of_each.items()}
    texts["list_eval_partition.txt"] = "".join(f"{name} {2 if name in names[3:] else 0}\n" for name in names)
    for file, text in texts.items():
        (folder / file).write_text(text)
    listed = [
        ("none", "", "img_align_celeba.zip"),
        *(("none", md5(text.encode()), file) for file, text in texts.items()),
    ]
    monkeypatch.setattr(datasets.CelebA, "file_list", listed)
    return tmp_path


def test_faces_are_decoded_to_their_size_and_an_attribute_makes_two_classes(faces: Path) -> None:
    dataset = loaded("celeba", faces, download=False, image_size=16)
    assert dataset.samples.shape == (3, 3, 16, 16)
    assert dataset.samples[:, 0, 8, 8].tolist() == [0, 50, 100]
    assert dataset.labels is None
    assert dataset.test is not None
    assert len(dataset.test()) == 2
    men = loaded("celeba", faces, download=False, image_size=16, attribute="Male")
    assert men.labels is not None
    assert men.labels.tolist() == [1, 1, 1]
    assert men.class_names == ("not Male", "Male")


def test_an_unknown_attribute_is_refused(faces: Path) -> None:
    with pytest.raises(UserError, match=r"^data\.attribute=Tall: must be one of Bald, Male, or null$"):
        loaded("celeba", faces, download=False, attribute="Tall")
