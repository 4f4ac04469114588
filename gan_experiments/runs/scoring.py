"""Score a run that has trained, on its own data: for its folder, its tracker and whoever asked."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import chdir
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import filelock
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.configuration.validation import validate
from gan_experiments.data.load import load_data
from gan_experiments.errors import UserError
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.metric import headline
from gan_experiments.evaluation.protocol import group_of
from gan_experiments.evaluation.scores import Scores
from gan_experiments.runs.same_data import check_same_data
from gan_experiments.runs.saved_networks import load_networks, load_state
from gan_experiments.tracking.chain import SCORED, Chain
from gan_experiments.tracking.journal import Journal, read
from gan_experiments.tracking.moved import command_folder
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_json
from gan_experiments.tracking.score_records import keep_neighbours, record_scores
from gan_experiments.tracking.synchronise import synchronise
from gan_experiments.tracking.terminal import busy
from gan_experiments.training.device import resolve_device

RESULT = "scores.json"
"""The file of scores in a run's folder; for a folder or a file of samples, ``NAME.scores.json`` next to it."""


def scoring_settings(overrides: Iterable[str]) -> DictConfig:
    """Compose ``evaluate=full`` and the data with the user's overrides.

    Raises:
        UserError: A value is out of range, or of no key.
    """
    cfg = compose(["evaluate=full", *overrides])
    validate(cfg)
    return cfg


def score_run(directory: RunDirectory, cfg: DictConfig) -> Scores:
    """Score a run's last checkpoint on the run's own data; write the scores to its folder and its MLflow run.

    Raises:
        UserError: The run is damaged, has no checkpoint or is training, or its data cannot be had or are others now.
        RunFailedError: Its MLflow stopped answering; the scores are in the folder anyway.
    """
    # 1. Score the checkpoint.
    _check_readable(directory)
    state = load_state(directory)
    networks = load_networks(state)
    # Where its data has a relative path, that means the folder in which the run was started.
    folder = command_folder(directory.path, directory.path / ".hydra" / "hydra.yaml")
    data = DictConfig(state["config"]["data"])
    with chdir(folder or Path.cwd()):
        check_same_data(data, directory)
    evaluator = evaluator_for(data, cfg, folder, networks.classes is not None)
    scores = evaluator.score(networks.generator.to(resolve_device(cfg.device)), networks.latent_dim)
    # 2. Write the scores down, in the folder and in the journal.
    write_scores(directory.path / RESULT, scores)
    try:
        with filelock.FileLock(directory.lock, timeout=0):
            journal = Journal(directory.journal)
            step = state["step"]
            epoch = max(line["epoch"] for line, _ in read(directory.journal) if line["step"] <= step)
            group = group_of(scores.samples)
            best = headline(scores.values)
            record_scores(
                journal,
                key=f"{group} {scores.features}",
                step=step,
                epoch=epoch,
                metrics=scores.metrics(group),
                tags=scores.tags(group),
                details=scores.as_dict(),
                headline=None if best is None else f"{group}/{best}",
            )
            if scores.neighbours is not None:
                keep_neighbours(journal, directory, step, epoch, scores.neighbours)
            journal.close()
            chain = Chain.of_a_run(directory)
            if chain is not None:
                chain.add(SCORED, step, features=scores.features)
    except filelock.Timeout as error:
        raise UserError(f"{directory.path}: this run is training; wait for its end") from error
    # 3. Bring them to MLflow, where the run has one.
    if read_json(directory.run)["uri"] is not None:
        with busy(f"delivering the scores of {directory.path.name}"):
            synchronise(directory)
    return scores


def _check_readable(directory: RunDirectory) -> None:
    """Make sure that the records of a run can be read to their ends."""
    try:
        read_json(directory.run)
        for _ in read(directory.journal):
            pass
    except (OSError, ValueError) as error:
        raise UserError(f"{directory.path}: this run's files are damaged ({error})") from error


def evaluator_for(
    data: DictConfig, cfg: DictConfig, folder: Path | None = None, conditional: bool = False
) -> Evaluator:
    """Return the evaluator for a data group and the settings of ``cfg``; whoever asks for the latest again shares it.

    Args:
        data: Says which data.
        cfg: Says by what they are scored.
        folder: The folder that relative paths of the data mean; None for the working directory.
        conditional: Whether generators with labels are scored.

    Raises:
        UserError: The data or the features cannot be had, or nothing can be measured on them.
    """
    settings = cast("dict[str, Any]", OmegaConf.to_container(cfg.evaluate, resolve=True))
    if Path(settings["features"]).is_file():
        settings["features"] = str(Path(settings["features"]).absolute())
    with chdir(folder or Path.cwd()):
        text = OmegaConf.to_yaml(OmegaConf.create(settings))
        return _evaluator(OmegaConf.to_yaml(data, resolve=True), text, cfg.device, Path.cwd(), conditional)


@lru_cache(maxsize=1)
def _evaluator(data: str, evaluate: str, device: str, folder: Path, conditional: bool) -> Evaluator:
    """Return the evaluator; ``folder`` is the working directory, in which relative paths lie."""
    dataset = load_data(cast(DictConfig, OmegaConf.create(data)))
    settings = EvaluateConfig(**cast(Any, OmegaConf.to_container(OmegaConf.create(evaluate))))
    evaluator = Evaluator(settings, dataset, resolve_device(device), conditional)
    if not evaluator.metrics:
        raise UserError(f"data={dataset.name}: none of evaluate.metrics={settings.metrics} can be measured")
    evaluator.check()
    return evaluator


def write_scores(path: Path, scores: Scores) -> None:
    """Write scores to a JSON file.

    Raises:
        UserError: It cannot be written.
    """
    try:
        write_json(path, scores.as_dict())
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
