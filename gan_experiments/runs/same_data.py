"""Makes sure that a run's data are still those that it has learnt: their contents decide, not where they lie."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from gan_experiments.errors import UserError
from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.metadata import describe
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.sweep_directory import SweepDirectory


def check_same_data(data: DictConfig, directory: RunDirectory) -> None:
    """Make sure that a ``data`` group still gives what the run in a folder has learnt.

    Args:
        data: The group.
        directory: The run's folder; one that has no record of its data passes.

    Raises:
        UserError: It gives something else; the line has both digests.
    """
    learnt = _learnt(directory)
    if learnt is None:
        return
    from gan_experiments.data.load import load_data  # imports torch, which a command that is refused does without

    dataset = load_data(data)
    if dataset.mixture is not None:
        return  # drawn from the keys alone, which are compared too; other processors round the points differently
    found = describe(dataset)
    if any(found[key] != learnt.get(key, found[key]) for key in ("digest", "scale")):
        raise UserError(
            f"data={found['name']}: other data than the run in {directory.path} has learnt: now {_in_words(found)}, "
            f"then {_in_words(learnt)}; bring those back (data.root says where they lie), or start a new run"
        )


def check_same_data_in_sweep(directory: SweepDirectory) -> None:
    """Make sure that a sweep that goes on would learn what its runs have learnt so far: else it compares two things.

    Raises:
        UserError: A run's data are others now.
    """
    for job in directory.jobs():
        stored = job.path / ".hydra" / "config.yaml"
        if stored.is_file():
            check_same_data(OmegaConf.load(stored).data, job)


def _learnt(directory: RunDirectory) -> Line | None:
    """Return the latest description of a run's data in its journal, or None."""
    if not directory.journal.is_file():
        return None
    return next((line for line, _ in reversed(list(read(directory.journal))) if line["kind"] == "dataset"), None)


def _in_words(data: Line) -> str:
    return f"{data['samples']} samples of digest {data['digest']}, from {data['source']}"
