"""A run that learns with labels, by everything that takes its generator: commands, MLflow, other programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import pyfunc
from PIL import Image

from gan_experiments import FinishedRun, compose, sample, score, train
from gan_experiments.errors import UserError
from gan_experiments.runs import exporting
from gan_experiments.tracking.run_directory import read_json
from tests.support.commands import Command
from tests.support.real_runs import TINY

pytestmark = pytest.mark.slow

LABELLED = (*TINY, "model.condition=projection", "train.epochs=2", "evaluate.samples=300")


@pytest.fixture(scope="module")
def run(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A short conditional run on the digits, delivered to MLflow."""
    folder = tmp_path_factory.mktemp("conditional")
    shutil.copy(empty_database, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return train(compose([*LABELLED, "tracking.system_metrics=false", "hydra.run.dir=run"]))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_class_is_drawn_by_its_number_or_its_name(run: FinishedRun) -> None:
    generator = run.generator()
    latents = torch.randn(5, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = generator(latents, torch.full((5,), 7)).numpy()
    assert np.array_equal(run.sample(5, seed=2, label=7), expected)
    assert np.array_equal(run.sample(5, seed=2, label="7"), expected)
    assert not np.array_equal(run.sample(5, seed=2, label=3), expected)
    sample.main([str(run.directory), "--class", "7", "-n", "5", "--seed", "2", "--out", "sevens.npy"])
    assert np.array_equal(np.load("sevens.npy"), expected)


def test_pictures_have_a_column_a_class(run: FinishedRun) -> None:
    assert read_json(run.files.run)["columns"] == 10
    assert len(np.load(run.files.samples / "00000000.npy")) == 60
    sample.main([str(run.directory), "-n", "30", "--out", "grid.png"])
    with Image.open("grid.png") as picture:
        assert picture.width > 3 * picture.height
    in_turn = run.sample(20)
    latents = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = run.generator()(latents, torch.arange(20) % 10).numpy()
    assert np.array_equal(in_turn, expected)


def test_scores_of_each_class(run: FinishedRun) -> None:
    last = run.metrics().iloc[-1]
    assert 0 <= last["eval/label_accuracy"] <= 1
    scores = score(run, 300, ["evaluate.metrics=[label_accuracy,class_distance,train_on_fake]"])
    assert scores["label_accuracy"].real > 0.8
    assert scores["worst_class_distance"].value >= scores["class_distance"].value > scores["class_distance"].real
    assert scores["train_on_fake_accuracy"].real > scores["train_on_fake_accuracy"].value
    by_class = json.loads((run.directory / "scores.json").read_text())["by_class"]
    assert list(by_class) == [str(digit) for digit in range(10)]


def test_the_logged_model_takes_labels(run: FinishedRun) -> None:
    model = pyfunc.load_model(str(run.directory / "artifacts" / "model"))
    latents = torch.randn(3, 8, generator=torch.Generator().manual_seed(1)).numpy()
    drawn = model.predict({"latents": latents, "labels": np.full(3, 7)})
    assert np.array_equal(drawn, run.sample(3, seed=1, label=7))
    with pytest.raises(ValueError, match="labels: must be from 0 to 9"):
        model.predict({"latents": latents, "labels": np.full(3, 10)})


@pytest.mark.parametrize("kind", ["onnx", "torch_export"])
def test_exported_generators_take_labels(run: FinishedRun, kind: str) -> None:
    out = Path(f"generator{exporting.SUFFIXES[kind]}")
    exporting.export(run.generator(), run.plain_config["model"], kind, out)
    latents, labels = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), torch.full((5,), 7)
    if kind == "onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(str(out))
        (drawn,) = session.run(None, {"latents": latents.numpy(), "labels": labels.numpy()})
    else:
        drawn = torch.export.load(out).module()(latents, labels).numpy()
    assert np.abs(drawn.astype(int) - run.sample(5, label=7)).max() <= 1


def test_mistakes_are_one_line(run: FinishedRun, command: Command, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"^class 10: must be a number from 0 to 9$"):
        run.sample(label=10)
    with pytest.raises(UserError, match=r"^class seven: must be a number from 0 to 9$"):
        run.sample(label="seven")
    answer = command(*TINY, "tracking=off", "evaluate=off", "train.epochs=1", "hydra.run.dir=plain")
    assert answer.status == 0, answer.err
    with pytest.raises(SystemExit) as end:
        sample.main(["plain", "--class", "7"])
    assert end.value.code == 2
    assert capfd.readouterr().err.startswith(
        "error: class 7: must not be given; this run's generator takes no labels"
    )
    Path("pictures").mkdir()
    Image.new("L", (28, 28)).save("pictures/one.png")
    options = ("data=image_folder", "data.root=pictures", "data.channels=1", "train.batch_size=1", "tracking=off")
    answer = command(*TINY, *options, "evaluate=off", "model.condition=concat")
    assert answer.status == 2
    assert answer.err.startswith("error: model.condition=concat: needs labels, and these data have none")
    assert answer.err.count("\n") == 1
