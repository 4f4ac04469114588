"""The command ``python -m gan_experiments.evaluate``: score finished runs, folders of pictures, and arrays."""

from __future__ import annotations

import argparse
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import UserError
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.find_runs import find_runs
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.terminal import busy

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch import Tensor

    from gan_experiments.data.dataset import Dataset
    from gan_experiments.evaluation.scores import Scores

_LEAST = 100


def evaluate_samples(path: Path, cfg: DictConfig) -> Scores:
    """Score a folder of pictures, or the samples in a ``.npz`` or ``.npy`` file, against the data of ``cfg``.

    Raises:
        UserError: There are no such samples, or they do not fit the data.
    """
    from gan_experiments.runs.scoring import RESULT, evaluator_for, write_scores

    evaluator = evaluator_for(cfg.data, cfg)
    samples = load_samples(path, evaluator.dataset)[: cfg.evaluate.samples]
    if len(samples) < _LEAST:
        raise UserError(f"{path}: has {len(samples)} samples; scores need at least {_LEAST}")
    scores = evaluator.score_samples(samples)
    write_scores(path.with_name(f"{path.name}.{RESULT}"), scores)
    return scores


def load_samples(path: Path, dataset: Dataset) -> Tensor:
    """Load samples as a generator would give them: float ``[N, *sample_shape]``, images in [-1, 1].

    Args:
        path: A folder of pictures, which are scaled to the data's size, or a NumPy file with one array: uint8
            ``[N, C, H, W]`` (C may be left out where it is 1) or, for points, floats ``[N, D]``.
        dataset: The data that they are compared with.

    Raises:
        UserError: There are none, or they are of another kind.
    """
    import numpy as np
    import torch

    shape = dataset.sample_shape
    if path.is_dir():
        from gan_experiments.data.image_folder import load

        if not dataset.is_image:
            raise UserError(f"{path}: is a folder of pictures, and data={dataset.name} is points")
        return dataset.normalise(load(path.name, str(path), shape[1], shape[0], False).samples)
    try:
        with path.open("rb") as file:
            content: Any = np.load(file)
            array = content if isinstance(content, np.ndarray) else next(iter(content.values()), None)
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read as an array ({str(error).splitlines()[0]})") from error
    if array is None:
        raise UserError(f"{path}: cannot be read as an array (it holds none)")
    if dataset.is_image and array.ndim == 3 and shape[0] == 1:
        array = array[:, None]
    kind = np.uint8 if dataset.is_image else np.floating
    if not np.issubdtype(array.dtype, kind) or array.shape[1:] != shape:
        wanted = f"{'uint8' if dataset.is_image else 'float'} [N, {', '.join(map(str, shape))}]"
        raise UserError(f"{path}: holds {array.dtype} {list(array.shape)}; data={dataset.name} needs {wanted}")
    return dataset.normalise(torch.from_numpy(array if dataset.is_image else array.astype(np.float32)))


def _settings(options: argparse.Namespace, overrides: list[str]) -> DictConfig:
    """Compose ``evaluate=full`` and the data with the user's overrides and options."""
    from gan_experiments.configuration.override import write
    from gan_experiments.runs.scoring import scoring_settings

    given = {"evaluate.samples": options.samples, "evaluate.features": options.features, "device": options.device}
    from_options = [write(key, value) for key, value in given.items() if value is not None]
    return scoring_settings([*overrides, *from_options])


def _find(references: Sequence[str], uri: str, complaints: Complaints) -> list[Path]:
    """Return what is to be scored, each once and by its absolute path.

    A sweep, and any other folder with runs in it, stands for all of them.
    """
    found: dict[Path, None] = {}
    for reference in references:
        with complaints.noted():
            path = find_run(reference, uri).resolve()
            if not path.exists():
                wanted = "a run's folder or id, a sweep, a folder of runs or of pictures, or an .npz file"
                raise UserError(f"{reference}: must be {wanted}")
            runs = [run.path for run in find_runs(path)] if path.is_dir() else []
            found |= dict.fromkeys(runs or [path])
    return list(found)


def _score(path: Path, cfg: DictConfig) -> Scores:
    """Score a run, a folder of pictures or a file of samples.

    Raises:
        UserError: It cannot be scored, or its folder is damaged.
        RunFailedError: Its MLflow stopped answering.
    """
    from gan_experiments.runs.scoring import score_run

    directory = RunDirectory(path)
    if not (directory.journal.is_file() or directory.run.is_file()):
        return evaluate_samples(path, cfg)
    return score_run(RunDirectory.of_a_run(path), cfg)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Of several, what cannot be scored is named, and the others are scored.

    Raises:
        SystemExit: Status 2 for a user's mistake, 1 if MLflow does not answer; after one line on stderr for each.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.evaluate",
        description="Score generators against real data. A run knows its data; for a folder of pictures or an array "
        "name it, as in data=mnist data.root=ROOT.",
    )
    parser.add_argument(
        "what",
        nargs="+",
        metavar="WHAT",
        help="a run's folder or MLflow id, a sweep or another folder of runs, a folder of pictures, an .npz file; "
        "KEY=VALUE",
    )
    parser.add_argument("--samples", type=int, help="number of samples to score (default 10000)")
    parser.add_argument("--features", help="classifier, random, inception, or a classifier's file")
    parser.add_argument("--device", help="auto, cpu, cuda, …")
    parser.add_argument("--uri", default=usual(), help="where an id is looked up (default: %(default)s)")
    options = parser.parse_intermixed_args(arguments)
    with user_errors():
        overrides = [argument for argument in options.what if "=" in argument and not Path(argument).exists()]
        with busy("starting"):
            cfg = _settings(options, overrides)
        references = [argument for argument in options.what if argument not in overrides]
        if not references:
            raise UserError("WHAT: must name something to score, besides KEY=VALUE")
        complaints = Complaints()
        paths = _find(references, options.uri, complaints)
        total = len(paths) + len(complaints.errors)
        for index, path in enumerate(paths, 1):
            with complaints.noted():
                with busy(f"scoring {path}" + (f" ({index} of {len(paths)})" if len(paths) > 1 else "")):
                    scores = _score(path, cfg)
                print(f"{path}\n{scores.table()}", flush=True)
        if complaints.errors and total > 1:
            sys.stderr.write(f"scored {total - len(complaints.errors)} of {total}\n")
        if complaints.errors:
            raise SystemExit(complaints.status)


if __name__ == "__main__":
    main()
