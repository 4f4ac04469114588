"""The command ``python -m gan_experiments.data.build_emoji FONT``: draw the pictures of ``data=emoji`` from the font.

FONT is ``NotoColorEmoji.ttf`` of version 2.042, as Debian's package ``fonts-noto-color-emoji`` puts it into
``/usr/share/fonts/truetype/noto``. The pixels depend on it and on nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, features
from torch import Tensor

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.data.emoji import COLUMNS, DIGEST, SIZE, digest, table
from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError

_STRIKE = 109
"""The only size, in pixels an em, in which the font holds its pictures."""
BOX = (0, 0, 136, 128)
"""Where the font draws an emoji that it knows."""
_MARGIN = 4
"""Columns on both sides that every picture leaves empty: without them it is square."""


def open_font(path: Path) -> ImageFont.FreeTypeFont:
    """Open the font for drawing.

    Raises:
        UserError: It is missing or another file, or Pillow cannot join the characters of an emoji.
    """
    if not features.check("raqm"):
        raise UserError("FONT: needs a Pillow with Raqm, which joins the characters of an emoji; pip's Pillow has it")
    try:
        return ImageFont.truetype(str(path), _STRIKE, layout_engine=ImageFont.Layout.RAQM)
    except OSError as error:
        raise UserError(f"FONT={path}: must be NotoColorEmoji.ttf ({error})") from error


def draw(emoji: str, font: ImageFont.FreeTypeFont) -> Tensor:
    """Draw an emoji on white: uint8 ``[3, SIZE, SIZE]``.

    Raises:
        UserError: The font does not have it.
    """
    if font.getbbox(emoji) != BOX:
        raise UserError(f"FONT={font.path}: has no {emoji}; it must be NotoColorEmoji.ttf of version 2.042")
    image = Image.new("RGBA", BOX[2:], (255, 255, 255, 0))
    ImageDraw.Draw(image).text((0, 0), emoji, font=font, embedded_color=True)
    on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    pixels = torch.from_numpy(np.array(on_white)).permute(2, 0, 1)
    return resize(pixels[None, :, :, _MARGIN:-_MARGIN].contiguous(), SIZE)[0]


def sheet(pictures: Tensor) -> Image.Image:
    """Lay pictures uint8 ``[N, 3, SIZE, SIZE]`` side by side, row by row, the last row filled up with white."""
    rows = -(-len(pictures) // COLUMNS)
    tiles = torch.full((rows * COLUMNS, 3, SIZE, SIZE), 255, dtype=torch.uint8)
    tiles[: len(pictures)] = pictures
    pixels = tiles.view(rows, COLUMNS, 3, SIZE, SIZE).permute(0, 3, 1, 4, 2).reshape(rows * SIZE, -1, 3)
    return Image.fromarray(pixels.numpy())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: Status 2 for a user's mistake, after one line on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.data.build_emoji", description="Draw the pictures of data=emoji."
    )
    parser.add_argument("font", type=Path, metavar="FONT", help="NotoColorEmoji.ttf of version 2.042")
    parser.add_argument("--out", type=Path, default=Path("emoji.png"), help="the sheet to write (default emoji.png)")
    options = parser.parse_args(arguments)
    with user_errors():
        font = open_font(options.font)
        pictures = torch.stack([draw(emoji, font) for group in table().values() for emoji in group])
        found = digest(pictures)
        try:
            sheet(pictures).save(options.out, "PNG", optimize=True)
        except OSError as error:
            raise UserError(f"--out {options.out}: cannot be written ({error.strerror})") from error
        same = "those of the package" if found == DIGEST else f"other than those of the package ({DIGEST})"
        print(f"{options.out}: {len(pictures)} pictures, digest {found}: {same}")


if __name__ == "__main__":
    main()
