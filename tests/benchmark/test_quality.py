"""Trainings to a target: what is measured, what the clock counts, and what an interruption costs."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from PIL import Image
from safetensors import safe_open

from gan_experiments import evaluate
from gan_experiments.benchmark.__main__ import main
from gan_experiments.benchmark.quality import contenders, referees
from gan_experiments.benchmark.quality.contenders import CONTENDERS, TARGETS, Target
from gan_experiments.benchmark.quality.referees import Referees, Verdict
from gan_experiments.benchmark.quality.scored_run import train
from gan_experiments.configuration.compose import compose
from gan_experiments.data.dataset import Dataset
from gan_experiments.evaluation import classifier
from gan_experiments.evaluation.classifier_training import measure
from gan_experiments.training.events import EpochFinished, StepsFinished
from gan_experiments.training.trainer import Trainer
from tests.support import small_runs
from tests.support.commands import Command

SMALL = (
    "model=mlp_small",
    "model.generator_widths=[8]",
    "model.discriminator_widths=[8]",
    "train=article",
    "train.epochs=3",
    "train.ema=0.9",
)
QUALITY = ("--only", "quality", "--data", "digits", "--device", "cpu", "--threads", "1", "--seconds", "0.001")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contenders in small, scored by few samples after two of their epochs."""
    for name in CONTENDERS:
        monkeypatch.setitem(CONTENDERS, name, (*SMALL, f"train.lr={len(name)}e-4"))
    monkeypatch.setattr(contenders, "_PARTS_OF_EPOCHS", (0.3, 1.0))
    monkeypatch.setattr(referees, "SAMPLES", 200)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "quality.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_it_writes_table_csv_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARGETS, "digits", Target(1e6, -1, -1))
    main([*QUALITY, "--contenders", "article,improved", "--seeds", "2", "--out", str(tmp_path)])
    found = [(row["contender"], row["seed"], row["epoch"]) for row in rows_of(tmp_path)]
    first = [("the article's loop", "1000", "0"), *(("article", "1000", epoch) for epoch in "13")]
    # Seeds in turn, in alternating order; the long recipe with fewer of them.
    improved = [("improved", seed, epoch) for seed in ("1000", "1001") for epoch in "13"]
    assert found == [*first, *improved, ("the article's loop", "1001", "0")]
    out = capsys.readouterr().out
    loop, article, ours = [line.split(" | ") for line in out.splitlines() if line.startswith("| ")][2:]
    assert (loop[0], loop[1], "extrapolated" in loop[-1]) == ("| the article's loop", "1", True)
    assert article[0] == "| `experiment=article`"
    assert "one seed: nothing can be said of p" in article[-1]
    assert ours[1] == "2"
    assert "±" in ours[2]
    assert out.split("\n\n")[-2] in (tmp_path / "quality.md").read_text()
    with Image.open(tmp_path / "quality.png") as picture:
        assert picture.width > 900
    assert not (tmp_path / "quality-run.pt").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_scores_are_those_of_evaluate(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert referees.file_of("mnist") == referees.file_of("digits")
    learns = (*SMALL, "model.generator_widths=[64]", "train.epochs=20", "train.lr=2e-3")
    monkeypatch.setitem(CONTENDERS, "improved", learns)
    assert command(*learns, "data=digits", "seed=1000", "tracking=off", "hydra.run.dir=run").status == 0
    scores = []
    for features in ("classifier", str(referees.file_of("digits"))):
        evaluate.main(["run", "--samples", "200", "--features", features])
        scores.append(json.loads(Path("run/scores.json").read_text())["values"])
    main([*QUALITY, "--contenders", "improved", "--seeds", "1", "--out", str(tmp_path)])
    row = rows_of(tmp_path)[-1]
    asked = ("distance", "frechet_classifier_distance"), ("precision", "precision"), ("recall", "recall")
    assert float(row["precision"]) > 0
    for column, score in asked:
        assert float(row[column]) == pytest.approx(scores[0][score]["value"], rel=1e-6)
    assert float(row["referee_distance"]) == pytest.approx(
        scores[1]["frechet_classifier_distance"]["value"], rel=1e-6
    )
    assert float(row["startup"]) > 0


def test_as_many_samples_are_scored_as_evaluate_scores() -> None:
    assert referees.SAMPLES == compose(["evaluate=full"]).evaluate.samples == 10_000


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_an_interrupted_measurement_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged, interrupted = Referees.judge, [False]
    count = 0

    def judge(*arguments: object) -> Verdict:
        nonlocal count
        if count == 3 and interrupted[0]:  # at the second point of the second run
            raise KeyboardInterrupt
        count += 1
        return judged(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Referees, "judge", judge)
    measure_all = [*QUALITY, "--contenders", "improved", "--seeds", "2", "--out"]
    main([*measure_all, str(tmp_path / "whole")])
    count, interrupted[0] = 0, True
    with pytest.raises(SystemExit) as end:
        main([*measure_all, str(tmp_path / "parts")])
    assert end.value.code == 130
    before = (tmp_path / "parts" / "quality.csv").read_text()
    count, interrupted[0] = 0, False
    main([*measure_all, str(tmp_path / "parts")])
    assert count == 1
    after = (tmp_path / "parts" / "quality.csv").read_text()
    assert after.startswith(before)
    whole, parts = rows_of(tmp_path / "whole"), rows_of(tmp_path / "parts")
    assert [row["distance"] for row in parts] == [row["distance"] for row in whole]
    assert float(parts[3]["seconds"]) > float(parts[2]["seconds"]) > 0

    main([*measure_all, str(tmp_path / "parts")])
    assert count == 1
    assert (tmp_path / "parts" / "quality.csv").read_text() == after


def test_the_clock_counts_training_alone(tmp_path: Path) -> None:
    run = small_runs.run(tmp_path, "train.epochs=4")
    trainer = Trainer([run.member], run.dataset, device=run.device)
    counted, expected = 0, []
    for _, event in trainer.events():
        counted += isinstance(event, StepsFinished | EpochFinished)
        if isinstance(event, EpochFinished) and event.epoch in (1, 4):
            expected.append(counted)

    time = 0

    def now() -> float:
        nonlocal time
        time += 1
        return time

    seconds = []
    for reached in train(small_runs.run(tmp_path, "train.epochs=4"), (1, 4), now=now):
        seconds.append(reached.seconds)
        time += 1000  # as long as the scores take
    assert seconds == expected  # one second from look to look


def test_a_run_that_diverges_has_no_generator_to_score(tmp_path: Path) -> None:
    run = small_runs.run(tmp_path, "train.epochs=4", "train.lr=1e30")
    assert [(reached.epoch, reached.generator) for reached in train(run, (1, 4))] == [(1, None), (4, None)]
    assert all(math.isnan(value) for value in referees.NO_VERDICT)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--contenders", "improved,abacus"],
            "error: --contenders abacus: no such contender; there are article, imp",
        ),
        (["--seeds", "0"], "error: --seeds 0: must be at least 1"),
        (["--article-seeds", "0"], "error: --article-seeds 0: must be at least 1"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*QUALITY, *arguments, "--out", str(tmp_path)])
    assert end.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line)


@pytest.mark.parametrize("referee", ["mnist", "fashion_mnist"])
def test_the_third_referee_is_another_one_and_judges_nothing_else(referee: str) -> None:
    path, shipped = referees.file_of(referee), classifier.shipped_for(referee)
    assert shipped is not None
    assert classifier.load(path).version != classifier.load(shipped).version
    assert (
        classifier.load(path).version
        == {"mnist": "mnist:819edd0253ac", "fashion_mnist": "fashion_mnist:dcde2ce29c90"}[referee]
    )
    with safe_open(path, "pt") as file:
        assert file.metadata()["serves"] == ""


def test_the_third_referee_reads_mnist(mnist: Dataset) -> None:
    own = classifier.load(referees.file_of("mnist"))
    assert mnist.test is not None
    assert measure(own, mnist.test()) == pytest.approx(own.spec.accuracy, abs=5e-4)
