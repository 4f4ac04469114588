"""Deliver to its tracker, after a run, what it could not deliver itself."""

from __future__ import annotations

import os
from collections.abc import Callable

import filelock

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.tracking.delivery_errors import RefusedError
from gan_experiments.tracking.destination import check_names, check_uri, tracker_of
from gan_experiments.tracking.journal import PAUSED
from gan_experiments.tracking.moved import settle_run
from gan_experiments.tracking.run_directory import RunDirectory, read_json
from gan_experiments.tracking.trackers.tracker import brief


def synchronise(
    directory: RunDirectory,
    uri: str | None = None,
    experiment: str | None = None,
    pictures: bool = False,
    say: Callable[[str], None] = print,
) -> str | None:
    """Complete a run's pictures and bring everything that is missing to its tracker, each value once; safe to repeat.

    Of a run of which only the last pictures are drawn, those are completed.

    Args:
        directory: The folder of a run that is not training.
        uri: Where to, if not where the run itself was to be delivered.
        experiment: The experiment that the run belongs to from now on, if not the one so far.
        pictures: Whether all pictures are drawn, and delivered, from now on.
        say: Shows a line to the user.

    Returns:
        The run's id there, or None for a run that was tracked nowhere.

    Raises:
        UserError: The run is training, the destination is not there, or it does not take the run.
        RunFailedError: The destination stopped answering.
    """
    if not os.access(directory.path, os.W_OK):
        raise UserError(f"{directory.path}: cannot be written by this user, which keeps there what has arrived")
    settle_run(directory)
    run = read_json(directory.run)
    destination = uri or run["uri"]
    if destination is not None:
        destination = check_uri(destination)
        check_names(destination, experiment or run["experiment"], {})
    # After the checks, which need none of it.
    from gan_experiments.tracking.pictures.gallery import Gallery

    try:
        with filelock.FileLock(directory.lock, timeout=0), filelock.FileLock(directory.delivery_lock, timeout=0):
            if experiment is not None and experiment != run["experiment"]:
                directory.change_experiment(experiment)
                run = read_json(directory.run)
            if pictures:
                directory.draw_all()
                run = read_json(directory.run)
            gallery = Gallery(directory, run)
            gallery.advance()
            if destination is None:
                if gallery.status in (None, PAUSED):
                    gallery.finish()
                return None
            tracker = tracker_of(destination)
            try:
                return tracker(directory, run, destination, gallery, say).complete()
            except RefusedError as error:
                raise UserError(f"{directory.path}: {tracker.title} at {destination} refuses it: {error}") from error
            except tracker.failures() as error:
                message = f"{destination} stopped answering ({brief(error)}); the same command continues from there"
                raise RunFailedError(message) from error
    except filelock.Timeout as error:
        raise UserError(f"{directory.path}: this run is training or being delivered; it needs no help") from error
