"""The final generator as an MLflow model: its weights, its configuration, and the code that both belong to.

Tracing it with ``torch.export`` would need no code at all, but importing the tracer alone takes seconds of
processor time at the end of every run; copying a few files takes none.
"""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

import gan_experiments
from gan_experiments.tracking.mlflow.names import MODEL_NAME
from gan_experiments.tracking.mlflow.pages import without_password
from gan_experiments.tracking.run_directory import RunDirectory, read_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import Model, ModelSignature

_REQUIREMENTS = ("mlflow", "torch", "numpy", "hydra-core")
_LOADER = "tracking/mlflow/served_generator.py"
_CODE = (
    "__init__.py",
    "errors.py",
    "configuration/__init__.py",
    "configuration/fields.py",
    "data/__init__.py",
    "data/dataset.py",
    "data/sample_space.py",
    "models",
    "tracking/__init__.py",
    "tracking/mlflow/__init__.py",
    _LOADER,
)
"""The part of this package that loading a generator takes."""
_WEIGHTS = "data"
"""The folder, in a model's, of what MLflow calls its data."""
_SHAPES = ("conditional", "is_image", "sample_shape")
"""What a generator takes and returns, according to its description."""


def log_model(
    directory: RunDirectory, client: MlflowClient, experiment_id: str, run_id: str, step: int, *, is_new: bool = False
) -> None:
    """Log a run's generator as a model of the run, once; its files lie below artifacts/model.

    Args:
        directory: The run's folder.
        client: Where to.
        experiment_id: The run's experiment.
        run_id: The run.
        step: The step at which the run ended.
        is_new: Whether the run was just made, so that it has no model yet.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    query = f"name = '{MODEL_NAME}' AND source_run_id = '{run_id}'"
    found = [] if is_new else client.search_logged_models([experiment_id], filter_string=query)
    model = found[0] if found else client.create_logged_model(experiment_id, MODEL_NAME, run_id)
    path, place, number = directory.artifacts / "model", model.artifact_location, model.model_id
    _save(directory.generator, path, Model(artifact_path=place, run_id=run_id, model_uuid=number, model_id=number))
    client.log_model_artifacts(model.model_id, str(path))
    client.finalize_logged_model(model.model_id, "READY")
    outputs = None if is_new else client.get_run(run_id).outputs
    if outputs is None or model.model_id not in [output.model_id for output in outputs.model_outputs]:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])  # refused a second time


def predict_command(directory: RunDirectory, uri: str) -> str | None:
    """Return the command that draws samples from a run's model, given an example of its input.

    Args:
        directory: The run's folder.
        uri: The MLflow that the run is in.

    Returns:
        A line for a shell, or None where MLflow has no model of the run.
    """
    folder = directory.artifacts / "model"
    if not (folder / "MLmodel").is_file():
        return None
    number = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["model_id"]
    example = folder / "serving_input_example.json"
    latents = shlex.quote(str(example)) if example.exists() else "latents.json"
    place = shlex.quote(without_password(uri) if uri.startswith("http") else uri)
    return f"MLFLOW_TRACKING_URI={place} mlflow models predict -m models:/{number} --env-manager local -i {latents}"


_saved: dict[str, tuple[Path, Model]] = {}
"""Of each kind of generator that this process has saved, the first."""


def _save(generator: Path, path: Path, model: Model) -> None:
    """Fill a run's folder with its generator as a model of MLflow's.

    ``pyfunc.save_model`` takes as long as the delivery of a whole run, so it does so for one generator of a kind; the
    others are copies of that one, with weights and an identity of their own.
    """
    description = read_json(generator / "generator.json")
    own_code = _own_code(description["model"])
    kind = json.dumps([[description.get(key) for key in _SHAPES], description["model"].get("latent_dim"), own_code])
    shutil.rmtree(path, ignore_errors=True)
    if kind not in _saved or not _copy_of(*_saved[kind], generator, path, model):
        _save_first(generator, path, model, description, own_code)
        _saved[kind] = path, model


def _copy_of(first: Path, saved: Model, generator: Path, path: Path, model: Model) -> bool:
    """Fill a folder with a copy of another model but for its weights, and return whether that was still there."""
    try:
        shutil.copytree(first, path, ignore=lambda folder, _: [_WEIGHTS] if Path(folder) == first else [])
        before = _size(first / _WEIGHTS)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
        return False
    shutil.copytree(generator, path / _WEIGHTS / generator.name)
    model.flavors, model.signature = saved.flavors, saved.signature
    if saved.saved_input_example_info is not None:
        model.saved_input_example_info = saved.saved_input_example_info
    model.model_size_bytes = (saved.model_size_bytes or 0) - before + _size(path / _WEIGHTS)
    model.save(str(path / "MLmodel"))
    return True


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _save_first(
    generator: Path, path: Path, model: Model, description: dict[str, Any], own_code: Sequence[str]
) -> None:
    from mlflow import pyfunc

    package = Path(gan_experiments.__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / package.name
        for name in _CODE:
            _copy(package / name, code / name)
        pyfunc.save_model(
            str(path),
            loader_module=f"{package.name}.{_LOADER.removesuffix('.py').replace('/', '.')}",
            data_path=str(generator),
            code_paths=[str(code), *own_code],
            mlflow_model=model,
            signature=_signature(description),
            input_example=_example(description),  # type: ignore[arg-type]  # None is its default
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
        )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _own_code(config: dict[str, Any]) -> list[str]:
    """Return the user's modules and packages that a model's configuration names, without installed ones."""
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]
    own = set()
    for name in {target.partition(".")[0] for target in _targets(config)} - {gan_experiments.__name__}:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            file = Path(spec.origin).resolve()
            if not any(file.is_relative_to(folder) for folder in installed):
                own.add(str(file.parent if spec.submodule_search_locations else file))
    return sorted(own)


def _targets(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "_target_":
                yield value
            yield from _targets(value)
    elif isinstance(config, list):
        for value in config:
            yield from _targets(value)


def _signature(description: dict[str, Any]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    # A custom architecture may name its latent size otherwise; then any is taken.
    shape = -1, description["model"].get("latent_dim", -1)
    if description.get("conditional"):
        labels = TensorSpec(np.dtype(np.int64), (-1,), "labels")
        inputs = Schema([TensorSpec(np.dtype(np.float32), shape, "latents"), labels])
    else:
        inputs = Schema([TensorSpec(np.dtype(np.float32), shape)])
    kind = np.dtype(np.uint8 if description["is_image"] else np.float32)
    return ModelSignature(inputs, Schema([TensorSpec(kind, (-1, *description["sample_shape"]))]))


def _example(description: dict[str, Any]) -> np.ndarray | dict[str, np.ndarray] | None:
    latent_dim = description["model"].get("latent_dim")
    if latent_dim is None:
        return None
    latents = np.zeros((1, latent_dim), np.float32)
    return {"latents": latents, "labels": np.zeros(1, np.int64)} if description.get("conditional") else latents
