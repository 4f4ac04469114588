"""Functions of ``from gan_experiments import …``: compose, train, find again and score experiments from Python.

Everything happens as it does for the commands, with three differences: what a command prints as ``error: …`` is
raised as a ``UserError`` of the same line, Ctrl-C comes as ``KeyboardInterrupt`` (after a checkpoint), and what
belongs to the program (Hydra's globals, the working folder, logging, random numbers) is left as it was.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.command_line import user_error
from gan_experiments.configuration.compose import without_hydra
from gan_experiments.configuration.hydra_internals import make_run_folder
from gan_experiments.configuration.override import write
from gan_experiments.configuration.validation import validate
from gan_experiments.errors import UserError
from gan_experiments.evaluation.scores import ScoreBesideReal
from gan_experiments.runs.checks import check_single
from gan_experiments.runs.finished_run import FinishedRun
from gan_experiments.runs.origin import Origin, origin_with_changes
from gan_experiments.runs.run import Run
from gan_experiments.runs.scoring import score_run, scoring_settings
from gan_experiments.runs.train import train_run
from gan_experiments.tracking import metadata
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.run_directory import RunDirectory


def compose(overrides: Iterable[str] = (), config_dir: str | Path | None = None) -> DictConfig:
    """Compose the configuration of a run, and check its keys and values.

    Args:
        overrides: As on the command line: ``["model=mlp_small", "train.epochs=2"]``. ``train.resume=RUN_DIR`` gives
            the configuration with which that run goes on.
        config_dir: A folder with options of one's own, as ``--config-dir`` names it.

    Returns:
        The configuration. Its values may be changed: ``cfg.train.lr = 1e-3``.

    Raises:
        UserError: One line, the same as the command's: the key, the value, what is allowed.
    """
    with user_error():
        folder = None if config_dir is None else Path(config_dir).absolute()
        if folder is not None and not folder.is_dir():
            raise UserError(f"config_dir={config_dir}: must be a folder, and there is none")
        texts = [overrides] if isinstance(overrides, str) else overrides
        origin = Origin(tuple(texts), folder)
        with origin.composing() as config:
            cfg = without_hydra(config)
            validate(cfg)
        return origin.mark(cfg)


def train(cfg: DictConfig) -> FinishedRun:
    """Train a run to its end, in a folder of its own, as the command does.

    Args:
        cfg: What ``compose`` or a run's ``config`` gave, changed or not.

    Returns:
        The run.

    Raises:
        UserError: The configuration asks for something that is not allowed or not there; nothing is left behind.
        RunFailedError: Training diverged; the message has the step and the reason.
        KeyboardInterrupt: Ctrl-C (in a notebook: the stop button) ended the run, after a checkpoint.
    """
    with user_error(), _as_it_was():
        metadata.ask_git_again()
        run = _prepare(origin_with_changes(cfg))
        try:
            train_run(run)
        except SystemExit as end:
            if end.code == 128 + signal.SIGINT:
                raise KeyboardInterrupt from None
            raise
    return FinishedRun(run.directory)


def _prepare(origin: Origin) -> Run:
    """Check a run, and make its folder."""
    with origin.composing() as config:
        state = check_single(config)
        job = make_run_folder(config)
        cfg = job.cfg
        assert cfg is not None
        assert job.hydra_cfg is not None
        OmegaConf.resolve(cfg)  # what it asks of Hydra can be known only here
        run = Run(cfg, Path(job.hydra_cfg.hydra.runtime.output_dir), list(job.overrides or ()))
        run.state = state
        run.load()  # here, where no other thread seeds torch's generators
        return run


def load(run: str | Path, uri: str | None = None) -> FinishedRun:
    """Find a run that was trained before, by whatever started it.

    Args:
        run: Its folder, or its id in MLflow.
        uri: The tracking URI at which an id is looked up; by default, as for the commands, the usual one.

    Raises:
        UserError: There is no such run.
    """
    with user_error(), _as_it_was():
        return FinishedRun(RunDirectory.of_a_run(find_run(str(run), uri or usual())))


def score(run: FinishedRun, samples: int = 10_000, overrides: Iterable[str] = ()) -> dict[str, ScoreBesideReal]:
    """Score a run's last checkpoint on its own data, and record the scores with the run, as ``evaluate`` does.

    Args:
        run: The run.
        samples: How many samples are scored; only scores of equal numbers are comparable.
        overrides: As on that command's line: ``["evaluate.metrics=[frechet]", "device=cpu"]``.

    Returns:
        By the score's name, its value, its standard error, and the value that real data have.

    Raises:
        UserError: The run has no checkpoint or is training, its data cannot be had, or an override is wrong.
        RunFailedError: Its MLflow stopped answering; the scores are in the folder anyway.
    """
    with user_error(), _as_it_was():
        cfg = scoring_settings([*overrides, write("evaluate.samples", samples)])
        return score_run(run.files, cfg).beside_real()


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Leave the process as it was found: working folder, variables of the environment, torch's random numbers."""
    folder, variables = Path.cwd(), dict(os.environ)
    # To ask CUDA for its numbers would initialise it, also for a run on a CPU. Before its first use they follow from
    # torch's seed, which a run sets.
    cuda = torch.cuda.is_initialized()
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count()) if cuda else []):
            yield
    finally:
        if not cuda:
            torch.cuda.manual_seed_all(torch.initial_seed())
        os.chdir(folder)
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
