"""Ends for good, in its folder, a run that was to go on."""

from __future__ import annotations

import filelock

from gan_experiments.errors import UserError
from gan_experiments.tracking.journal import PRUNED, Journal, read
from gan_experiments.tracking.run_directory import RunDirectory


def prune_paused(directory: RunDirectory, rung: int, reason: str) -> None:
    """End a run that no process trains, and that is not to go on: it is finished, and has the tag ``pruned``.

    Safe to repeat: a run that has finished stays as it is. Its tracker hears of it when the run is next delivered.

    Args:
        directory: The run's folder.
        rung: The rung at which it is given up.
        reason: Why, in one line.

    Raises:
        UserError: A process is training it.
    """
    try:
        with filelock.FileLock(directory.lock, timeout=0):
            session, status, step, epoch = "", None, 0, 0.0
            for line, _ in read(directory.journal):
                if line["kind"] in ("session", "status"):
                    session, status = line["key"], line.get("status")
                if line["kind"] in ("metrics", "status") and line["step"] >= step:
                    step, epoch = line["step"], line["epoch"]
            if status == "FINISHED":
                return
            journal, where = Journal(directory.journal), {"step": step, "epoch": epoch}
            try:
                journal.append("tags", key=PRUNED, values={PRUNED: str(rung)}, **where)
                # The session's own status, at this step, is there already.
                key = f"{session} {PRUNED}"
                journal.append("status", key=key, status="FINISHED", reason=reason, **where)
                journal.synchronise()
            finally:
                journal.close()
    except filelock.Timeout as error:
        raise UserError(f"{directory.path}: cannot be pruned while a process trains it") from error
