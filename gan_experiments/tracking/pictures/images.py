"""Samples as pixels: grids, their animation, and image files."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import (
    Image,
    ImageDraw,
    ImageFont,
    PngImagePlugin,  # noqa: F401  # these two are what is written; without them Pillow imports all of its formats
    WebPImagePlugin,  # noqa: F401
)

_GAP = 2
_SIDE = 560
"""Pixels that a grid's longer side aims at; samples are enlarged by a whole number."""
_FRAME, _LAST_FRAME = 200, 1500
"""Milliseconds that an animation shows a frame, and its last one."""
_MOST_FRAMES = 100
_CAPTION = 22
_SQUARE = 560
"""Side of a thumbnail: as wide as a card of MLflow's pages on a large screen."""
_COLORS = 256


def sample_grid(samples: np.ndarray, columns: int | None = None) -> Image.Image:
    """Return images side by side, each pixel enlarged by a whole number.

    Args:
        samples: uint8 ``[n, C, H, W]``; of channels that are neither grey nor colour the first is shown.
        columns: Images in a row; as many as make the grid most square where it is None.
    """
    samples = samples if samples.shape[1] == 3 else samples[:, :1]
    count, channels, height, width = samples.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = max(1, round(_SIDE / max(columns * (width + _GAP), rows * (height + _GAP))))
    cell_h, cell_w = height * scale + _GAP, width * scale + _GAP
    canvas = np.full((rows * cell_h + _GAP, columns * cell_w + _GAP, channels), 96, dtype=np.uint8)
    enlarged = samples.transpose(0, 2, 3, 1).repeat(scale, 1).repeat(scale, 2)
    for index, image in enumerate(enlarged):
        top, left = index // columns * cell_h + _GAP, index % columns * cell_w + _GAP
        canvas[top : top + height * scale, left : left + width * scale] = image
    return Image.fromarray(canvas.squeeze(2) if channels == 1 else canvas)


def flat(drawing: Image.Image) -> Image.Image:
    """Return a drawing with at most 256 colours: its files are a third as large, and written five times as fast."""
    reduced = drawing.quantize(_COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = reduced.getpalette() or []
    reduced.putpalette([255 if shade >= 254 else shade for shade in palette])  # white is a mean of near whites
    return reduced


def png(image: Image.Image) -> bytes:
    """Return an image as a PNG file."""
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=3)
    return content.getvalue()


def webp(image: Image.Image) -> bytes:
    """Return an image as a lossless WebP file, which MLflow's pages show at its own size."""
    content = io.BytesIO()
    image.save(content, "WEBP", lossless=True, method=0, quality=0)
    return content.getvalue()


def thumbnail(image: Image.Image) -> bytes:
    """Return an image at the top of a white square, as a WebP file.

    MLflow's pages show every picture in a square as wide as its card or the run's name, whichever is wider, and cut
    off what lies below the card: there a picture that is smaller or wider than its square would hardly be seen.
    """
    square = Image.new("RGB", (_SQUARE, _SQUARE), "white")
    fitted = image.convert("RGB")
    if max(image.size) > _SQUARE:
        fitted.thumbnail((_SQUARE, _SQUARE), Image.Resampling.BILINEAR)
    square.paste(fitted, (0, 0))
    content = io.BytesIO()
    square.save(content, "WEBP", quality=80, method=0)
    return content.getvalue()


def animation(frames: Sequence[Image.Image], captions: Sequence[str]) -> bytes:
    """Return images of one size as a GIF that repeats, each with a caption above it."""
    last = len(frames) - 1
    chosen = {round(last * i / (_MOST_FRAMES - 1)) for i in range(_MOST_FRAMES)}
    pictures = [with_caption(frames[i], captions[i]) for i in sorted(chosen)]
    content = io.BytesIO()
    durations = [_FRAME] * (len(pictures) - 1) + [_LAST_FRAME]
    pictures[0].save(content, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return content.getvalue()


def with_caption(image: Image.Image, caption: str) -> Image.Image:
    """Return an image with a line of text above it."""
    image = image.convert("RGB") if image.mode == "P" else image
    picture = Image.new(image.mode, (image.width, image.height + _CAPTION), "white")
    picture.paste(image, (0, _CAPTION))
    ImageDraw.Draw(picture).text((6, 3), caption, fill="black", font=ImageFont.load_default(15))
    return picture
