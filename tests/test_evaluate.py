"""``python -m gan_experiments.evaluate`` scores runs and samples; ``evaluate=…`` scores runs in the making."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_experiments import evaluate
from gan_experiments.data import digits
from gan_experiments.runs import scoring
from gan_experiments.tracking.run_directory import RunDirectory
from tests.support.commands import Command
from tests.support.hand_made import stored_metrics
from tests.support.real_runs import TINY, client, database, lines, run_id, succeed

pytestmark = pytest.mark.slow

RUN = (
    *TINY,
    "train.epochs=2",
    "train.batch_size=52",
    "evaluate.every=1",
    "evaluate.samples=200",
    "tracking.system_metrics=false",
)
SMALL = ("--samples", "200")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        evaluate.main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_run_is_scored_while_it_trains_and_afterwards(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(workplace, *RUN, "hydra.run.dir=run")
    directory = RunDirectory(workplace / "run")
    monkeypatch.chdir(workplace)
    scored = [line["step"] for line in lines(directory, "metrics", "eval")]
    assert scored == [35, 70]
    for _ in range(2):
        evaluate.main([str(directory.path), *SMALL])
    stored = stored_metrics(database(workplace))
    during, after = stored["score/frechet_classifier_distance"], stored["score/200/frechet_classifier_distance"]
    assert [step for step, _ in during] == scored
    # Once, though it was asked for twice; at step 0, where MLflow draws bars and no curves of a single dot.
    assert after == [(0, pytest.approx(during[-1][1], rel=1e-3))]
    assert not [name for name in stored if name.endswith("_error")]
    tags = client(database(workplace)).get_run(run_id(directory)).data.tags
    assert tags["evaluate.samples"] == "200"
    assert tags["evaluate.features"].startswith("mnist:")
    description = tags["mlflow.note.content"]
    assert "| Fréchet classifier distance | " in description
    assert not [tag for tag in tags if ".floor" in tag]  # real data's scores stand in that table
    assert (directory.artifacts / "figures/neighbours.png").exists()


def test_twice_the_same(command: Command, capfd: pytest.CaptureFixture[str]) -> None:
    assert command(*RUN, "tracking=off", "hydra.run.dir=out").status == 0
    answers = []
    for _ in range(2):
        scoring._evaluator.cache_clear()
        evaluate.main(["out", *SMALL])
        answers.append((capfd.readouterr().out, Path("out/scores.json").read_text()))
    assert answers[0] == answers[1]
    table, written = answers[0]
    assert "200 samples against digits's training set (1797), features mnist:" in table
    values = json.loads(written)["values"]
    assert {"frechet_classifier_distance", "coverage", "modes", "parzen_log_likelihood", "memorised"} <= values.keys()
    assert all(name in table for name in values)


def test_scoring_changes_nothing(command: Command) -> None:
    states = []
    for name, option in (("with", "quick"), ("without", "off")):
        answer = command(*RUN[:-1], f"evaluate={option}", "evaluate.every=1", "tracking=off", f"hydra.run.dir={name}")
        assert answer.status == 0, answer.err
    states = [
        torch.load(Path(name, "checkpoint.pt"), weights_only=True)["step_state"] for name in ("with", "without")
    ]
    for player in ("generator", "discriminator"):
        assert all(torch.equal(states[0][player][key], states[1][player][key]) for key in states[0][player])


def test_an_interrupted_run_has_the_same_scores(command: Command) -> None:
    through = ("tracking=off", "train.checkpoint_every=1")
    assert command(*RUN, *through, "train.epochs=3", "hydra.run.dir=whole").status == 0
    assert command(*RUN, *through, "train.epochs=1", "hydra.run.dir=parts").status == 0
    assert command("train.resume=parts", "train.epochs=3").status == 0
    whole, parts = (
        [(line["step"], line["values"]) for line in lines(RunDirectory(name), "metrics", "eval")]
        for name in ("whole", "parts")
    )
    assert len(whole) == 3
    assert whole == parts


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.chdir(tmp_path)
    return digits.load("digits", root="", image_size=28, download=False).samples[:120].numpy()


def test_arrays_and_folders_of_pictures(images: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("drawn.npz", images[:, 0])
    Path("pictures").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image[0]).save(f"pictures/{number:03d}.png")
    evaluate.main(["data=digits", "drawn.npz", "pictures"])
    first, second = (json.loads(Path(f"{name}.scores.json").read_text()) for name in ("drawn.npz", "pictures"))
    assert first["values"]["frechet_classifier_distance"] == pytest.approx(
        second["values"]["frechet_classifier_distance"]
    )
    assert first["values"]["memorised"]["value"] == 1  # they are the training images
    assert capsys.readouterr().out.count("120 samples against digits's training set") == 2


def test_what_cannot_be_scored_is_refused_in_one_line(images: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("few.npz", images[:50])
    np.savez("floats.npz", images.astype(np.float32))
    Path("text.npz").write_text("text")
    assert "few.npz: has 50 samples" in refused(capsys, "few.npz")
    assert "holds float32 [120, 1, 28, 28]" in refused(capsys, "floats.npz")
    Path("broken.npz").write_bytes(Path("few.npz").read_bytes()[:-100])
    for name in ("text.npz", "broken.npz", "/dev/null"):
        assert "cannot be read" in refused(capsys, name)
    assert "nothing: must be" in refused(capsys, "nothing")
    assert "evaluate.samples=5" in refused(capsys, "few.npz", "--samples", "5")
    assert "nowhere: there is no such file" in refused(capsys, "few.npz", "--features", "nowhere")
    assert list(Path().glob("*.json")) == []


def test_a_folder_of_runs_is_scored_and_what_is_broken_is_named(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders relative to the one in which the command is given, though the first run's database lies elsewhere."""
    succeed(workplace, *TINY, "train.epochs=1", "evaluate=off", "hydra.run.dir=runs/10")
    for name in ("2", "cut", "lost"):
        shutil.copytree(workplace / "runs/10", workplace / "runs" / name)
    (workplace / "runs/cut/run.json").write_text("{")
    (workplace / "runs/lost/checkpoint.pt").unlink()
    (workplace / "elsewhere").mkdir()
    monkeypatch.chdir(workplace / "elsewhere")
    with pytest.raises(SystemExit) as end:
        evaluate.main(["../runs/10", "../runs", "nowhere", *SMALL])
    assert end.value.code == 2
    out, err = capsys.readouterr()
    scored = [line for line in out.splitlines() if line.startswith("/")]
    assert [Path(line).resolve().name for line in scored] == ["10", "2"]  # each once
    first, *broken, last = (line for line in err.splitlines() if line.startswith(("error: ", "scored ")))
    assert first.startswith("error: nowhere: must be a run's folder or id, a sweep")
    assert [line.partition("runs/")[2].partition(":")[0] for line in broken] == ["cut", "lost/checkpoint.pt"]
    assert last == "scored 2 of 5"
    assert list(Path().iterdir()) == []


def test_a_run_without_its_features_does_not_start(command: Command) -> None:
    answer = command(*RUN, "evaluate.features=nowhere", "tracking=off", "hydra.run.dir=out")
    assert (answer.status, answer.files) == (2, [])
    assert answer.err.startswith("error: evaluate.features=nowhere: there is no such file")


def test_a_collapse_is_said_and_tagged(command: Command) -> None:
    overrides = ("data=ring", "data.samples=8000", "objective=minimax", "train.epochs=5", "evaluate.every=1")
    answer = command(*TINY, "train=article", *overrides, "train.lr=1e-6", "tracking=off", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert "warning   mode collapse" in answer.err
    (tags,) = lines(RunDirectory("out"), "tags", "warning.mode_collapse")
    assert tags["values"]["warning.mode_collapse"].startswith("since step ")
