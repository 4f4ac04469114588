"""Deliver to its tracker, after a run, what it could not deliver itself."""

from __future__ import annotations

import filelock

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.tracking.destination import check_uri, tracker_of
from gan_experiments.tracking.run_directory import RunDirectory, read_json
from gan_experiments.tracking.trackers.tracker import brief


def synchronise(directory: RunDirectory, uri: str | None = None) -> str | None:
    """Complete a run's pictures and bring everything that is missing to its tracker, each value once; safe to repeat.

    Args:
        directory: The folder of a run that is not training.
        uri: Where to, if not where the run itself was to be delivered.

    Returns:
        The run's id there, or None for a run that was tracked nowhere.

    Raises:
        UserError: The run is training, or the destination is not there.
        RunFailedError: The destination stopped answering.
    """
    run = read_json(directory.run)
    destination = uri or run["uri"]
    if destination is not None:
        destination = check_uri(destination)
    # After the checks, which need none of it.
    from gan_experiments.tracking.pictures.gallery import Gallery

    try:
        with filelock.FileLock(directory.lock, timeout=0), filelock.FileLock(directory.delivery_lock, timeout=0):
            gallery = Gallery(directory, run)
            gallery.advance()
            if destination is None:
                gallery.finish()
                return None
            tracker = tracker_of(destination)
            try:
                return tracker(directory, run, destination, gallery).complete()
            except tracker.failures() as error:
                message = f"{destination} stopped answering ({brief(error)}); the same command continues from there"
                raise RunFailedError(message) from error
    except filelock.Timeout as error:
        raise UserError(f"{directory.path}: this run is training or being delivered; it needs no help") from error
