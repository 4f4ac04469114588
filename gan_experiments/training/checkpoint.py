"""Checkpoints: written whole or not at all, and read without running code from them."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from gan_experiments.errors import UserError

_FORMAT = "gan-experiments-checkpoint-1"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path`` so that a crash at any moment leaves the old file or the new one.

    Raises:
        OSError: It could not be written; the old file is there, and nothing of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write(temporary, {"format": _FORMAT, **state})
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)  # a full disk has no room for half a checkpoint
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        with path.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        # torch finds its archive incomplete and says so, in many lines, of which none is the reason.
        cause = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        if cause is None:
            raise
        raise OSError(cause.errno, cause.strerror, str(path.with_suffix(""))) from error


def load(path: Path, typed: str | None = None) -> dict[str, Any]:
    """Return the state that ``save`` wrote, with tensors on the CPU.

    Args:
        path: The file.
        typed: How the user named it, for errors; by default its path.

    Raises:
        UserError: The file is missing, truncated, or not a checkpoint of this project.
    """
    typed = typed or str(path)
    if not path.is_file():
        raise UserError(f"{typed}: there is no such checkpoint")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{typed}: this is not a checkpoint, or it is truncated")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{typed}: this is not a checkpoint ({str(error).splitlines()[0]})") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise UserError(f"{typed}: this is not a checkpoint of a run (format {_FORMAT})")
    return state
