from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.data.idx import IMAGES, LABELS, RELEASES, load
from gan_experiments.errors import UserError
from tests.support.idx_files import (
    CLASSES,
    EXTRACTED_RELEASE,
    FILES,
    PACKED_FILES,
    PACKED_RELEASE,
    PIXELS,
    idx,
    packed,
    write,
)


@pytest.fixture(autouse=True)
def small_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RELEASES, "mnist", EXTRACTED_RELEASE)
    monkeypatch.setitem(RELEASES, "kmnist", PACKED_RELEASE)


def loaded(root: Path, name: str = "mnist", image_size: int = 28) -> Dataset:
    return load(name, root=str(root), image_size=image_size, download=False)


def refused(root: Path, name: str = "mnist") -> str:
    with pytest.raises(UserError) as error:
        loaded(root, name)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "files",
    [FILES, PACKED_FILES, {IMAGES: FILES[IMAGES], f"{LABELS}.gz": PACKED_FILES[f"{LABELS}.gz"]}],
    ids=["extracted", "compressed", "one of each"],
)
@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_files_are_read_as_they_lie(name: str, files: dict[str, bytes], tmp_path: Path) -> None:
    raw = tmp_path / RELEASES[name].folder / "raw"
    write(raw, files)
    dataset = loaded(tmp_path, name)
    assert torch.equal(dataset.samples, PIXELS.unsqueeze(1))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == CLASSES.tolist()
    assert (dataset.name, dataset.source) == (name, str(raw))
    assert sorted(path.name for path in raw.iterdir()) == sorted(files)


def test_the_folder_may_hold_the_files_themselves(tmp_path: Path) -> None:
    write(tmp_path, PACKED_FILES)
    dataset = loaded(tmp_path)
    assert torch.equal(dataset.samples, PIXELS.unsqueeze(1))
    assert dataset.source == str(tmp_path)


def test_files_of_the_system_serve_where_the_folder_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RELEASES, "mnist", replace(EXTRACTED_RELEASE, installed=tmp_path / "installed"))
    write(tmp_path / "installed", PACKED_FILES)
    assert loaded(tmp_path / "mine").source == str(tmp_path / "installed")
    write(tmp_path / "mine/MNIST/raw", FILES)
    assert loaded(tmp_path / "mine").source == str(tmp_path / "mine/MNIST/raw")


def test_the_last_images_may_be_kept_for_validation(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", FILES)
    data = load("mnist", str(tmp_path), 28, download=False, validation=2)
    assert torch.equal(data.samples.squeeze(1), PIXELS[:-2])
    assert data.labels is not None
    assert data.labels.tolist() == CLASSES[:-2].tolist()
    assert data.validation is not None
    assert torch.equal(data.validation.squeeze(1), PIXELS[-2:])


def test_images_are_resized_where_another_size_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", FILES)
    dataset = loaded(tmp_path, image_size=14)
    assert dataset.samples.shape == (len(PIXELS), 1, 14, 14)
    assert dataset.samples.dtype == torch.uint8
    assert dataset.samples.float().mean().item() == pytest.approx(PIXELS.float().mean().item(), rel=0.02)


def test_the_file_whose_checksum_is_known_goes_first(tmp_path: Path) -> None:
    other = {IMAGES: idx(255 - PIXELS), LABELS: FILES[LABELS]}
    write(tmp_path / "KMNIST/raw", other | PACKED_FILES)
    assert torch.equal(loaded(tmp_path, "kmnist").samples, PIXELS.unsqueeze(1))
    write(tmp_path / "MNIST/raw", FILES | {f"{IMAGES}.gz": packed(other[IMAGES])})
    assert torch.equal(loaded(tmp_path, "mnist").samples, PIXELS.unsqueeze(1))


MAGIC = "its magic number is {}, not 00000803"
DAMAGES = {
    "empty": (b"", MAGIC.format("missing")),
    "cut in the header": (FILES[IMAGES][:9], "it is 9 bytes long, not 15696"),
    "cut in the pixels": (FILES[IMAGES][:-1], "it is 15695 bytes long, not 15696"),
    "too long": (FILES[IMAGES] + b"\0", "it is 15697 bytes long, not 15696"),
    "labels": (FILES[LABELS], MAGIC.format("00000801")),
    "compressed": (PACKED_FILES[f"{IMAGES}.gz"], MAGIC.format("1f8b0800")),
    "floats": (b"\0\0\x0d\x03" + FILES[IMAGES][4:], MAGIC.format("00000d03")),
    "fewer images": (idx(PIXELS[:5]), "its dimensions are 5 x 28 x 28, not 20 x 28 x 28"),
    "smaller images": (idx(PIXELS[:, :14]), "its dimensions are 20 x 14 x 28, not 20 x 28 x 28"),
    "another pixel": (FILES[IMAGES][:-1] + b"\0", f"not {EXTRACTED_RELEASE.md5[IMAGES]}"),
}


@pytest.mark.parametrize(("content", "finding"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_with_what_was_found(content: bytes, finding: str, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST/raw"
    write(raw, FILES | {IMAGES: content})
    line = refused(tmp_path)
    assert line.startswith(f"data.root: {raw / IMAGES} is damaged or another file: ")
    assert finding in line
    assert "data.download=true" in line


def test_damaged_labels_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", FILES | {LABELS: FILES[LABELS][:-1] + b"\x00"})
    assert re.search(rf"{LABELS} is damaged .*: its MD5 is [0-9a-f]{{32}}, not ", refused(tmp_path))


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "MD5|Compressed file ended|magic number"),
        (PACKED_FILES[f"{IMAGES}.gz"][:-20], "MD5|Compressed file ended"),
        (PACKED_FILES[f"{IMAGES}.gz"][:60] + b"garbage" * 9, "MD5|invalid"),
        (b"no gzip at all", "MD5|Not a gzipped file"),
        (packed(idx(255 - PIXELS)), "MD5"),
    ],
    ids=["empty", "cut", "garbled", "text", "another"],
)
@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_a_damaged_compressed_file_is_refused(name: str, content: bytes, finding: str, tmp_path: Path) -> None:
    write(tmp_path / RELEASES[name].folder / "raw", PACKED_FILES | {f"{IMAGES}.gz": content})
    assert re.search(rf"{IMAGES}\.gz is damaged .*({finding})", refused(tmp_path, name))


def test_a_file_that_is_no_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", {LABELS: FILES[LABELS]})
    (tmp_path / "MNIST/raw" / IMAGES).mkdir()
    assert "Is a directory" in refused(tmp_path)


@pytest.mark.parametrize(
    ("files", "missing"),
    [({}, f"no {IMAGES} and no {LABELS}"), ({IMAGES: FILES[IMAGES]}, f"no {LABELS}")],
    ids=["all", "labels"],
)
def test_missing_files_are_refused_with_the_ways_out(files: dict[str, bytes], missing: str, tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", files)
    line = refused(tmp_path)
    assert line.startswith(f"data.root={tmp_path}: {missing} in {tmp_path}/MNIST/raw, and data.download=false; ")
    assert "data.download=true" in line
    assert "data=digits" in line


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    assert "data=digits" in refused(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    assert "cannot be read (File name too long)" in refused(tmp_path / ("x" * 300))


def test_a_name_of_no_release_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "emnist").startswith("data.name=emnist: must be mnist, fashion_mnist, kmnist")
