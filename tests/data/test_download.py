"""Downloads, through torchvision from a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gan_experiments.data.idx import IMAGES, LABELS, RELEASES, load
from gan_experiments.errors import UserError
from tests.support.file_server import serving
from tests.support.idx_files import EXTRACTED_RELEASE, FILES, PACKED_FILES, PACKED_RELEASE, PIXELS, md5, write

TEST_FILES = {name.replace("train", "t10k"): content for name, content in PACKED_FILES.items()}
SERVED = PACKED_FILES | TEST_FILES


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of files that a server in place of the real ones serves."""
    from torchvision import datasets

    folder = tmp_path / "served"
    write(folder, SERVED)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(RELEASES, "mnist", EXTRACTED_RELEASE)
    monkeypatch.setitem(RELEASES, "kmnist", PACKED_RELEASE)
    with serving(folder) as address:
        for kind in (datasets.MNIST, datasets.KMNIST):
            monkeypatch.setattr(kind, "mirrors", [f"{address}/"])
            monkeypatch.setattr(kind, "resources", [(name, md5(content)) for name, content in SERVED.items()])
        yield folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work" / "data"


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_missing_files_are_fetched_once(
    name: str, served: Path, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset = load(name, root=str(root), image_size=28, download=True)
    assert torch.equal(dataset.samples, PIXELS.unsqueeze(1))
    raw = root / RELEASES[name].folder / "raw"
    assert entries(root.parent) == ["data"]
    assert entries(root) == [RELEASES[name].folder]
    assert entries(raw) == sorted([*SERVED, *(file.removesuffix(".gz") for file in SERVED)])
    out, err = capfd.readouterr()
    assert out == ""
    assert f"fetching {RELEASES[name].folder} into {raw}" in err
    assert "100%" in err

    for file in served.iterdir():
        file.unlink()
    again = load(name, root=str(root), image_size=28, download=True)
    assert again.digest == dataset.digest
    assert capfd.readouterr() == ("", "")


def test_torchvision_finds_what_was_fetched(served: Path, root: Path) -> None:
    from torchvision import datasets

    load("mnist", root=str(root), image_size=28, download=True)
    assert torch.equal(datasets.MNIST(str(root), download=False).data, PIXELS)


def test_files_that_are_there_stay_as_they_are(served: Path, root: Path) -> None:
    raw = root / "MNIST/raw"
    write(raw, {IMAGES: FILES[IMAGES], f"{LABELS}.gz.old": b"mine"})
    before = (raw / IMAGES).stat().st_mtime_ns
    load("mnist", root=str(root), image_size=28, download=True)
    assert (raw / IMAGES).stat().st_mtime_ns == before
    assert (raw / f"{LABELS}.gz.old").read_bytes() == b"mine"


def test_nothing_is_fetched_where_that_is_not_allowed(served: Path, root: Path) -> None:
    with pytest.raises(UserError, match=r"data\.download=false"):
        load("mnist", root=str(root), image_size=28, download=False)
    assert entries(root.parent) == []


def cut(served: Path) -> None:
    (served / f"{LABELS}.gz").write_bytes(SERVED[f"{LABELS}.gz"][:-5])


def disconnect(served: Path) -> None:
    from torchvision import datasets

    datasets.MNIST.mirrors[:] = ["http://127.0.0.1:1/"]


@pytest.mark.parametrize("hinder", [cut, disconnect])
def test_a_download_that_fails_is_one_line_and_leaves_nothing(hinder, served: Path, root: Path) -> None:
    hinder(served)
    with pytest.raises(UserError) as error:
        load("mnist", root=str(root), image_size=28, download=True)
    line = str(error.value)
    assert line.startswith(f"data.download=true: MNIST could not be fetched into data.root={root} (")
    assert "data=digits" in line
    assert "\n" not in line
    assert entries(root.parent) == []


def test_a_folder_that_cannot_be_made_is_one_line(served: Path, root: Path) -> None:
    root.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="could not be fetched") as error:
        load("mnist", root=str(root), image_size=28, download=True)
    assert "\n" not in str(error.value)
    assert entries(root.parent) == ["data"]
