"""Which generators a run keeps, and when its scores end it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_experiments.errors import UserError
from gan_experiments.runs.checks import check
from gan_experiments.runs.run_queue import TheseRuns
from gan_experiments.runs.saved_networks import load_networks, load_state
from gan_experiments.runs.train import train_run, train_runs
from gan_experiments.tracking.run_directory import RunDirectory, epoch_of
from gan_experiments.training import checkpoint
from tests.support.real_runs import lines
from tests.support.small_runs import run

pytestmark = pytest.mark.slow

KL = "eval/mode_kl"


def scores_of(directory: RunDirectory) -> list[float]:
    return [line["values"][KL] for line in lines(directory, "metrics", "eval")]


def weights_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


WANDERS = ("train.epochs=6", "train.keep_best=true", "train.lr=0.05", "seed=0")
"""A rate at which the scores come and go: the third is the best."""


def test_the_newest_generators_are_kept(tmp_path: Path) -> None:
    trained = run(tmp_path / "run", "train.epochs=4", "evaluate=off", "train.keep_checkpoints=2")
    train_run(trained)
    assert [epoch_of(file) for file in trained.directory.kept_generators()] == [3, 4]


def test_the_best_generator_becomes_the_runs_own(tmp_path: Path) -> None:
    trained = run(tmp_path / "run", *WANDERS)
    train_run(trained)
    scores = scores_of(trained.directory)
    best = scores.index(min(scores)) + 1
    assert best < 6  # else this test shows nothing
    expected = checkpoint.load(trained.directory.generator_after(best))["generator"]
    final = torch.load(trained.directory.generator / "generator.pt", weights_only=True)
    assert weights_equal(final, expected)
    assert checkpoint.load(trained.directory.best_generator)["value"] == min(scores)
    assert weights_equal(load_networks(load_state(trained.directory)).generator.state_dict(), expected)


def test_a_run_that_was_interrupted_keeps_the_same_best(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_run(run(whole, *WANDERS))
    for epochs in (2, 4, 6):
        train_run(run(parts, *WANDERS, f"train.epochs={epochs}", "train.resume=auto"))
    kept = [checkpoint.load(RunDirectory(folder).best_generator) for folder in (whole, parts)]
    assert kept[0]["epoch"] == kept[1]["epoch"]
    assert weights_equal(kept[0]["generator"], kept[1]["generator"])


def test_a_run_ends_when_it_is_good_enough_and_the_others_go_on(tmp_path: Path) -> None:
    goals = ("{}", "{mode_kl:1000,high_quality:0}", "{mode_kl:1000,high_quality:1}")
    runs = [run(tmp_path / str(k), "train.epochs=3", f"+train.stop_at={goal}") for k, goal in enumerate(goals)]
    train_runs(TheseRuns(runs))
    assert [len(scores_of(r.directory)) for r in runs] == [3, 1, 3]
    (end,) = lines(runs[1].directory, "status")
    assert (end["status"], end["reason"][:41]) == ("FINISHED", "early stop after epoch 1: reached mode kl")


def test_a_score_that_is_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^train.stop_at.kl=1.0: the score must be one of .*mode_kl"):
        check(run(tmp_path, "+train.stop_at={kl:1}").cfg)
    with pytest.raises(UserError, match=r"^train.keep_best=true: the score must be measured, and evaluate.metrics"):
        check(run(tmp_path, "train.keep_best=true", "evaluate=off").cfg)
