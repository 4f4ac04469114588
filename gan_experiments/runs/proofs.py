"""Keeps each run's chain of digests, by which anybody can tell later whether training gives what a folder holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.runs.run import Run
from gan_experiments.tracking.chain import END, EPOCH, Chain
from gan_experiments.tracking.environment import code, own_parts, processor
from gan_experiments.tracking.metadata import versions
from gan_experiments.tracking.run_events import Ended, Joined, RunEvent
from gan_experiments.training.events import EpochFinished, StepsFinished
from gan_experiments.training.trainer import Trainer

_CONFIGURATION = (".hydra/config.yaml", ".hydra/overrides.yaml")


class Proofs:
    """Writes ``chain.jsonl``: a line when a run joins, for each epoch, for weights that are written, and at its end.

    This consumer comes after all that write into the folder; it is told of an end while that is still claimed.

    Args:
        runs: The runs that train now, by number.
        trainer: Trains them.
        evaluator: Scores them.
    """

    def __init__(self, runs: Mapping[int, Run], trainer: Trainer, evaluator: Evaluator) -> None:
        self._runs, self._trainer, self._evaluator = runs, trainer, evaluator
        self._chains: dict[int, Chain] = {}
        self._steps: dict[int, int] = {}

    def on(self, k: int, event: RunEvent) -> None:
        """Add the line that an event of run ``k`` asks for."""
        match event:
            case Joined():
                self._begin(k, event)
            case StepsFinished():
                self._steps[k] = event.step
            case EpochFinished():
                self._chains[k].add(EPOCH, event.step)

    def close(self, k: int, end: Ended) -> None:
        """Add the last line of run ``k``, whose end has been recorded; its folder must still be claimed.

        Raises:
            OSError: It could not be written. A run that has failed ends without: it may be for a full disk.
        """
        if k in self._chains:  # else the run ends because its chain could not be begun
            with suppress(OSError) if end.status == "FAILED" else nullcontext():
                self._chains[k].add(END, self._steps[k])
            del self._chains[k], self._steps[k]

    @contextmanager
    def writing(self, k: int, *files: Path) -> Iterator[None]:
        """Write or remove files of run ``k`` inside this context."""
        with self._chains[k].writing(self._steps[k], files):
            yield

    def _begin(self, k: int, event: Joined) -> None:
        run, directory = self._runs[k], event.directory
        weights = run.starting_weights
        facts = {
            "code": {**code(), **own_parts(run.config)},
            "packages": dict(versions()),
            "data": data_digests(run.dataset, event.description.conditional),
            "features": self._evaluator.features,
            "processor": processor(),
            "device": event.description.device,
            "threads": self._trainer.threads or torch.get_num_threads(),
            "other_threads": torch.get_num_threads(),  # of scores and of what is measured after an epoch
            "slots": event.slots,
            "precision": run.member.train.precision,
            "epochs": run.member.train.epochs,
            "start_from": None if weights is None else weights_digest(weights.weights),
        }
        configuration = [directory.path / name for name in _CONFIGURATION]
        files = [directory.config, *(file for file in configuration if file.is_file())]
        if event.step or directory.checkpoint.is_file():
            files.append(directory.checkpoint)
        self._chains[k] = Chain.begin(directory, event.step, facts, files)
        self._steps[k] = event.step


def data_digests(dataset: Dataset, conditional: bool) -> dict[str, Any]:
    """Return digests of all that networks learn of a data set: samples, their scale and, where they do, labels."""
    labels = {"labels": dataset.labels_digest} if conditional else {}
    return {"samples": dataset.digest, "scale": dataset.scale, **labels}


def weights_digest(weights: Mapping[str, Mapping[str, Tensor]]) -> str:
    """Return the SHA-256 of both networks' weights with their names, in hexadecimal."""
    algorithm = hashlib.sha256()
    for player, named in sorted(weights.items()):
        for name, tensor in sorted(named.items()):
            algorithm.update(f"{player}.{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            algorithm.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return algorithm.hexdigest()
