"""Refuse a data set that does not fit into memory before it is read, rather than be killed in the middle of it."""

from __future__ import annotations

from math import prod

import psutil

from gan_experiments.errors import UserError


def check_fits(data: str, count: int, shape: tuple[int, ...], bytes_each: int = 1) -> None:
    """Make sure that samples fit into the memory that is free now.

    Args:
        data: The data set's name.
        count: Number of samples.
        shape: Shape of one of them.
        bytes_each: Bytes of a number.

    Raises:
        UserError: They do not; the line has their size and what fits.
    """
    one = prod(shape) * bytes_each
    free = psutil.virtual_memory().available
    if count * one <= free:
        return
    size = " x ".join(map(str, shape))
    raise UserError(
        f"data={data}: does not fit into memory: {count} samples of {size} take {_gigabytes(count * one)}, and "
        f"{_gigabytes(free)} are free, enough for {free // one}; take fewer, or smaller ones (data.image_size)"
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
