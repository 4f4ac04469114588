"""Whether a folder of results can be written, before there is anything to write."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gan_experiments.errors import UserError


def check_folder(key: str, folder: str) -> None:
    """Make sure that a folder can be made, or written where it exists, without making it.

    Raises:
        UserError: It cannot.
    """
    path = Path(folder).absolute()
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    problem = why_unwritable(existing)
    if problem is not None:
        raise UserError(f"{key}={folder}: cannot be written ({problem})")


def why_unwritable(folder: Path) -> str | None:
    """Return why no file can be made in a folder; None where one can."""
    try:
        # Permissions are not enough: read-only mounts, full disks and special files refuse as well.
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{error.strerror}: {folder}"
