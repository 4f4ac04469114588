from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from gan_experiments.data.dataset import Dataset
from gan_experiments.data.image_folder import CACHE, load
from gan_experiments.errors import UserError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def loaded(root: Path, image_size: int = 16, channels: int = 3) -> Dataset:
    return load("image_folder", root=str(root), image_size=image_size, channels=channels, download=False)


def refused(root: Path) -> str:
    with pytest.raises(UserError) as error:
        loaded(root)
    assert "\n" not in str(error.value)
    return str(error.value)


def paint(path: Path, colour: tuple[int, ...] = RED, size: tuple[int, int] = (20, 20), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def colours(dataset: Dataset) -> list[list[int]]:
    """The colour at the centre of each picture."""
    size = dataset.samples.shape[-1]
    return dataset.samples[:, :, size // 2, size // 2].tolist()


def test_every_picture_below_the_folder_in_the_order_of_their_paths(tmp_path: Path) -> None:
    paint(tmp_path / "b.PNG", GREEN)
    paint(tmp_path / "a/deep/er/z.bmp", RED)
    paint(tmp_path / "c/a.webp", BLUE)
    paint(tmp_path / ".hidden/x.png")
    paint(tmp_path / "c/.x.png")
    (tmp_path / "notes.txt").write_text("no picture")
    dataset = loaded(tmp_path)
    assert (dataset.samples.dtype, dataset.samples.shape) == (torch.uint8, (3, 3, 16, 16))
    red, green, blue = colours(dataset)
    assert (red, green) == ([255, 0, 0], [0, 255, 0])
    assert blue[2] > 240  # WebP is lossy
    assert dataset.labels is None
    assert dataset.source == str(tmp_path)


def test_subfolders_are_classes_where_that_is_asked_for(tmp_path: Path) -> None:
    for path in ("dog/1.png", "cat/2.png", "cat/old/3.png", "ant/4.png"):
        paint(tmp_path / path)
    assert loaded(tmp_path).labels is None
    dataset = load("pets", str(tmp_path), image_size=16, channels=3, download=False, labels="folders")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1, 1, 2]
    assert dataset.class_names == ("ant", "cat", "dog")


@pytest.mark.parametrize(
    ("paths", "finding"),
    [
        (("1.png", "2.png"), "no picture lies in a sub-folder"),
        (("cat/1.png", "loose.png"), "loose.png lies in no sub-folder"),
    ],
)
def test_pictures_outside_of_the_classes_are_refused(paths: tuple[str, ...], finding: str, tmp_path: Path) -> None:
    for path in paths:
        paint(tmp_path / path)
    with pytest.raises(UserError) as error:
        load("pets", str(tmp_path), image_size=16, channels=3, download=False, labels="folders")
    assert str(error.value).startswith(f"data.labels=folders: {finding} of data.root={tmp_path}; ")
    assert "\n" not in str(error.value)


def test_only_a_share_of_the_pictures_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        paint(tmp_path / f"{'cat' if number % 2 else 'dog'}/{number}.png", (10 * number, 0, 0))
    monkeypatch.setattr("gan_experiments.data.image_folder._HELD_OUT", 4)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8 * 3 * 16 * 16))
    part = load("pets", str(tmp_path), image_size=16, channels=3, download=False, labels="folders", fraction=0.2)
    assert part.labels is not None
    assert part.labels.bincount().tolist() == [2, 2]
    assert part.validation is not None
    assert part.validation_labels is not None
    pictures = torch.cat((part.samples, part.validation))
    numbers = [red // 10 for red in pictures[:, 0, 8, 8].tolist()]
    assert len(set(numbers)) == 8
    labels = torch.cat((part.labels, part.validation_labels)).tolist()
    assert labels == [1 - number % 2 for number in numbers]  # cats, the first class, are odd
    with pytest.raises(UserError, match="does not fit into memory"):
        load("pets", str(tmp_path), image_size=16, channels=3, download=False)


def test_folders_behind_symbolic_links_belong_to_it(tmp_path: Path) -> None:
    paint(tmp_path / "elsewhere/1.png", GREEN)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/linked").symlink_to(tmp_path / "elsewhere")
    assert colours(loaded(tmp_path / "pictures")) == [[0, 255, 0]]


def test_every_real_folder_is_visited_once(tmp_path: Path) -> None:
    paint(tmp_path / "elsewhere/1.png", GREEN)
    for path in ("pictures/b/2.png", "pictures/c/3.png"):
        paint(tmp_path / path, RED)
    root = tmp_path / "pictures"
    for link, target in {
        "b/up": root,  # to a parent folder
        "b/itself": root / "b",
        "a": root / "b",  # to a folder that is there anyway, from a name that comes before it
        "c/out": tmp_path / "elsewhere",
        "d": tmp_path / "elsewhere",  # a second way to the same folder
    }.items():
        (root / link).symlink_to(target)
    (tmp_path / "elsewhere/back").symlink_to(root)
    dataset = load("pictures", str(root), image_size=16, channels=3, download=False, labels="folders")
    assert sorted(colours(dataset)) == [[0, 255, 0], [255, 0, 0], [255, 0, 0]]
    assert dataset.labels is not None
    assert dataset.labels.max() < 3


def test_files_that_are_no_pictures_are_counted_by_kind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paint(tmp_path / "1.png")
    assert loaded(tmp_path)
    assert not caplog.records
    for name in ("1.heic", "2.HEIC", "labels.csv", "README", ".hidden"):
        (tmp_path / name).write_text("no picture")
    assert loaded(tmp_path)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"data.root={tmp_path}: 1 of 5 files are pictures; skipped: 2 .heic, 1 .csv, 1 without an ending"
    )


@pytest.mark.parametrize(("width", "height"), [(60, 20), (20, 60), (20, 20), (9, 3)])
def test_the_shorter_side_is_resized_and_the_centre_cropped(width: int, height: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    picture.save(tmp_path / "1.png")
    wide, high = 16 * width // min(width, height), 16 * height // min(width, height)
    left, top = (wide - 16) // 2, (high - 16) // 2
    whole = picture.resize((wide, high), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.array(whole.crop((left, top, left + 16, top + 16)))).permute(2, 0, 1)
    assert (loaded(tmp_path).samples[0].int() - expected).abs().max() <= 1


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    lines = np.zeros((64, 64), np.uint8)
    lines[:, ::2] = 255
    Image.fromarray(lines).save(tmp_path / "1.png")
    samples = loaded(tmp_path, image_size=8, channels=1).samples.int()
    assert (samples - 127).abs().max() < 20


def test_one_channel_is_grey(tmp_path: Path) -> None:
    paint(tmp_path / "1.png", GREEN)
    dataset = loaded(tmp_path, channels=1)
    assert dataset.samples.shape == (1, 1, 16, 16)
    assert colours(dataset) == [[150]]  # ITU-R 601-2 luma


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))])
def test_transparent_is_white(mode: str, colour: tuple[int, ...], tmp_path: Path) -> None:
    paint(tmp_path / "1.png", colour, mode=mode)
    assert colours(loaded(tmp_path)) == [[255, 255, 255]]


def test_photographs_stand_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 20), RED)
    picture.paste(BLUE, (0, 0, 10, 20))  # left
    exif = picture.getexif()
    exif[0x0112] = 6  # turn clockwise to show it
    picture.save(tmp_path / "1.png", exif=exif)
    samples = loaded(tmp_path).samples[0]
    assert samples[:, 2, 8].tolist() == [0, 0, 255]
    assert samples[:, 13, 8].tolist() == [255, 0, 0]


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 0x8000, np.uint16)).save(tmp_path / "1.png")
    assert colours(loaded(tmp_path)) == [[128, 128, 128]]


def test_the_cache_answers_while_nothing_changes(tmp_path: Path) -> None:
    paint(tmp_path / "1.png", RED)
    first = loaded(tmp_path)
    (cache,) = (tmp_path / CACHE).iterdir()
    marked = torch.full_like(first.samples, 7)
    torch.save(marked, cache)
    assert torch.equal(loaded(tmp_path).samples, marked)


def test_a_change_of_content_is_seen_even_where_size_and_time_are_the_same(tmp_path: Path) -> None:
    picture = paint(tmp_path / "1.bmp", RED)
    assert colours(loaded(tmp_path)) == [[255, 0, 0]]
    before = picture.stat()
    paint(picture, GREEN)
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert picture.stat().st_size == before.st_size
    assert colours(loaded(tmp_path)) == [[0, 255, 0]]


def test_size_and_channels_have_caches_of_their_own(tmp_path: Path) -> None:
    paint(tmp_path / "1.png")
    for image_size, channels in [(16, 3), (8, 3), (16, 1), (16, 3)]:
        assert loaded(tmp_path, image_size, channels).samples.shape == (1, channels, image_size, image_size)


def test_a_picture_added_moved_or_removed_is_seen(tmp_path: Path) -> None:
    one, two = paint(tmp_path / "1.png", RED), paint(tmp_path / "2.png", GREEN)
    assert colours(loaded(tmp_path)) == [[255, 0, 0], [0, 255, 0]]
    one.rename(tmp_path / "3.png")
    assert colours(loaded(tmp_path)) == [[0, 255, 0], [255, 0, 0]]
    two.unlink()
    assert colours(loaded(tmp_path)) == [[255, 0, 0]]


@pytest.mark.parametrize("content", [b"", b"no tensor", None], ids=["empty", "text", "cut"])
def test_a_damaged_cache_is_made_anew(
    content: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paint(tmp_path / "1.png")
    first = loaded(tmp_path)
    (cache,) = (tmp_path / CACHE).iterdir()
    whole = cache.read_bytes()
    cache.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert loaded(tmp_path).digest == first.digest
    assert "cannot be used and will be made anew" in caplog.text
    assert torch.equal(torch.load(cache, weights_only=True), first.samples)
    assert list((tmp_path / CACHE).iterdir()) == [cache]


def test_it_says_how_many_pictures_cannot_be_read(tmp_path: Path) -> None:
    for number in range(5):
        paint(tmp_path / f"{number}.png")
    for number in (1, 2, 4):
        (tmp_path / f"{number}.png").write_text("no picture")
    line = refused(tmp_path)
    assert line.startswith(f"data.root: {tmp_path}/1.png cannot be read as a picture")
    assert line.endswith("; repair it or remove it, and 2 others like it of 5 files")


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paint(tmp_path / "1.png")
    (tmp_path / CACHE).write_text("a file where the folder should be")
    assert colours(loaded(tmp_path)) == [[255, 0, 0]]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"no cache in {tmp_path / CACHE} (")


def test_a_folder_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    line = refused(tmp_path / "absent")
    assert line.startswith(f"data.root={tmp_path / 'absent'}: must be a folder of pictures; ")
    assert "No such file or directory" in line
    assert "Not a directory" in refused(paint(tmp_path / "1.png"))


@pytest.mark.parametrize("file", [None, "notes.txt", ".hidden.png"])
def test_a_folder_without_pictures_is_refused(file: str | None, tmp_path: Path) -> None:
    if file:
        (tmp_path / file).write_text("no picture")
    assert refused(tmp_path).startswith(f"data.root={tmp_path}: no picture in {tmp_path} or below it (png, jpg")
    assert not (tmp_path / CACHE).exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "thirty-two bits", "gone"])
@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "tif"])
def test_a_picture_that_cannot_be_read_is_refused_by_its_path(damage: str, ending: str, tmp_path: Path) -> None:
    for index in range(5):
        paint(tmp_path / f"{index}.png")
    path = tmp_path / f"3.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    if damage == "gone":
        path.unlink()
        path.symlink_to(tmp_path / "nowhere")
    elif damage == "thirty-two bits":
        Image.fromarray(np.ones((9, 9), np.float32)).save(path, format="tiff")
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no picture"}[damage])
    assert refused(tmp_path).startswith(f"data.root: {path} cannot be read as a picture (")
    assert not (tmp_path / CACHE).exists()
