from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import pyfunc
from mlflow.exceptions import MlflowException

from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import MODEL, HandMadeRun


@pytest.fixture
def tracking_uri(database: str) -> Iterator[str]:
    """A database that ``runs:/`` addresses are looked up in."""
    mlflow.set_tracking_uri(database)
    yield database
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # and its variable


def _load(run: HandMadeRun, uri: str) -> pyfunc.PyFuncModel:
    return pyfunc.load_model(f"runs:/{synchronise(run.directory, uri)}/generator")


def test_the_model_draws_what_the_generator_draws(
    recorded: HandMadeRun, recorded_once: HandMadeRun, tracking_uri: str
) -> None:
    model = _load(recorded, tracking_uri)
    latents = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    with torch.inference_mode():
        expected = recorded.dataset.denormalise(recorded_once.generator.generator(torch.from_numpy(latents))).numpy()
    drawn = model.predict(latents)
    assert drawn.dtype == np.uint8
    assert np.array_equal(drawn, expected)
    assert np.array_equal(model.predict(latents[:1]), expected[:1])


def test_points_come_in_the_units_of_the_data(tmp_path: Path, tracking_uri: str) -> None:
    run = HandMadeRun(tmp_path / "run", None, epochs=1, points=True)
    run.dataset = type(run.dataset)("dots", run.dataset.samples, scale=40.0)
    run.record()
    latents = np.ones((4, 3), np.float32)
    with torch.inference_mode():
        expected = 40 * run.generator.generator(torch.from_numpy(latents)).numpy()
    assert _load(run, tracking_uri).predict(latents) == pytest.approx(expected)


def test_the_signature_is_enforced(recorded: HandMadeRun, tracking_uri: str) -> None:
    model = _load(recorded, tracking_uri)
    schema = model.metadata.signature
    assert [spec.shape for spec in schema.inputs.inputs] == [(-1, 3)]
    assert [(spec.type, spec.shape) for spec in schema.outputs.inputs] == [(np.dtype(np.uint8), (-1, 1, 8, 8))]
    with pytest.raises(MlflowException, match=r"incompatible input types|Shape of input"):
        model.predict(np.zeros((2, 4), np.float32))


def test_an_architecture_of_a_persons_own_travels_with_the_model(
    tmp_path: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "project"
    own.mkdir()
    (own / "my_networks.py").write_text("from gan_experiments.models.mlp import build\n")
    monkeypatch.syspath_prepend(own)
    run = HandMadeRun(tmp_path / "run", None, epochs=1)
    run.config["model"] = MODEL | {"_target_": "my_networks.build"}
    run.record()
    synchronise(run.directory, tracking_uri)
    assert (run.directory.artifacts / "model" / "code" / "my_networks.py").read_text().startswith("from gan_")
    sys.path.remove(str(own))
    (own / "my_networks.py").unlink()
    try:
        model = _load(run, tracking_uri)
    finally:
        sys.modules.pop("my_networks", None)
    assert model.predict(np.zeros((2, 3), np.float32)).shape == (2, 1, 8, 8)


def test_a_run_that_did_not_finish_has_no_model(tmp_path: Path, tracking_uri: str) -> None:
    run = HandMadeRun(tmp_path / "run", None, epochs=1)
    recorder = run.recorder()
    recorder.open()
    recorder.close("KILLED", "stopped")
    with pytest.raises(MlflowException):
        _load(run, tracking_uri)
