"""The colour set that travels with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import features

from gan_experiments.data import build_emoji, emoji
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
NEEDS_FONT = pytest.mark.skipif(not FONT.is_file(), reason="Debian's package fonts-noto-color-emoji is not installed")


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    return emoji.load("emoji", root="data", image_size=32, download=False)


def test_they_are_colour_pictures_of_nine_kinds_on_white(pictures: Dataset) -> None:
    assert pictures.sample_shape == (3, 32, 32)
    assert pictures.class_names is not None
    assert pictures.class_names[:3] == ("faces", "people", "nature")
    assert pictures.labels is not None
    assert pictures.classes == len(pictures.labels.unique()) == 9
    corners = pictures.samples[:, :, 0, 0].float().mean(1)
    assert (corners > 250).float().mean() > 0.8
    assert pictures.samples.float().std(dim=1).mean() > 10  # a grey picture has 0


def test_the_first_one_is_the_yellow_smiling_face(pictures: Dataset) -> None:
    red, green, blue = pictures.samples[0, :, 16, 5].tolist()
    assert red > 200
    assert green > 150
    assert blue < 120


def test_every_tenth_is_kept_for_the_test_set_and_none_is_in_both(pictures: Dataset) -> None:
    assert pictures.test is not None
    test = pictures.test()
    assert (len(pictures), len(test)) == (1697, 188)
    assert test.class_names == pictures.class_names
    assert test.classes == pictures.classes
    learnt = {picture.numpy().tobytes() for picture in pictures.samples}
    assert len(learnt) == 1697
    assert not any(picture.numpy().tobytes() in learnt for picture in test.samples)


def test_some_kinds_alone() -> None:
    every = emoji.load("emoji", root="data", image_size=32, download=False)
    some = emoji.load("emoji", root="data", image_size=32, download=False, kinds=["flags", "faces"])
    assert some.class_names == ("faces", "flags")
    assert every.labels is not None
    assert some.labels is not None
    assert torch.equal(some.samples[some.labels == 1], every.samples[every.labels == 8])
    assert some.test is not None
    assert set(some.test().labels.tolist()) == {0, 1}  # type: ignore[union-attr]


def test_they_are_resized_where_another_size_is_asked_for() -> None:
    assert emoji.load("emoji", root="data", image_size=16, download=False).sample_shape == (3, 16, 16)


@pytest.mark.parametrize("content", [b"no picture", None], ids=["no picture", "other pictures"])
def test_another_sheet_is_refused(content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "emoji.png"
    if content is None:
        count = sum(map(len, emoji.table().values()))
        build_emoji.sheet(torch.zeros(count, 3, 32, 32, dtype=torch.uint8)).save(path)
    else:
        path.write_bytes(content)
    monkeypatch.setattr(emoji, "SHEET", path)
    with pytest.raises(
        UserError, match=r"^data=emoji: \S+ (cannot be read .*|is damaged .*); reinstall the package$"
    ):
        emoji.load("emoji", root="data", image_size=32, download=False)


@NEEDS_FONT
@pytest.mark.skipif(not features.check("raqm"), reason="this Pillow has no Raqm")
def test_the_command_draws_the_same_pixels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_emoji.main([str(FONT), "--out", str(tmp_path / "emoji.png")])
    assert capsys.readouterr().out.endswith(f"1885 pictures, digest {emoji.DIGEST}: those of the package\n")
    assert (tmp_path / "emoji.png").stat().st_size < 4_000_000


def test_what_is_no_font_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "font.ttf").write_text("no font")
    with pytest.raises(SystemExit) as ended:
        build_emoji.main([str(tmp_path / "font.ttf")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
