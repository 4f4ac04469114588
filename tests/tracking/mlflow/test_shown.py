"""MLflow's pages sort by name: what has which name there, and what is not shown at all."""

from __future__ import annotations

import pytest

from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.mlflow import shown


def line(key: str, **values: float) -> Line:
    named = {name.replace("__", "/"): value for name, value in values.items()}
    return {"kind": "metrics", "key": key, "step": 70, "values": named, "headline": next(iter(named))}


def told(recorded: Line, scored_once: bool) -> list[tuple[str, float, int]]:
    """What MLflow gets of a line: names, values and the step."""
    shown_line = shown.line(recorded, scored_once)
    return [(name, value, shown_line["step"]) for name, value in shown_line["values"].items()]


def test_sections_of_charts_come_in_a_useful_order() -> None:
    recorded = (
        *("epoch", "accuracy/discriminator", "grad_norm/generator", "loss/generator", "loss_step/generator"),
        *("prob/real", "rate/generator", "schedule/ema", "speed/steps_per_second", "eval/recall"),
    )
    names = [f"{shown.LATEST}samples", *map(shown.metric_name, recorded)]
    sections = sorted({name.rpartition("/")[0] for name in names})
    assert sections == ["latest", "loss", "prob", "score", "step_loss", "training"]


@pytest.mark.parametrize("scored_once", [False, True])
def test_errors_of_scores_have_no_charts(scored_once: bool) -> None:
    scores = line("eval", eval__recall=0.5, eval__recall_error=0.1)
    names = [name for name, *_ in told(scores, scored_once)]
    assert names == ["score/recall"]


def test_scores_that_are_measured_once_are_one_bar() -> None:
    values = {"recall": 0.5, "recall_error": 0.1, "precision": 0.7}
    during = line("eval", **{f"eval__{name}": value for name, value in values.items()})
    after = line("eval/200 mnist:1", **{f"eval__200__{name}": value for name, value in values.items()})
    assert told(during, scored_once=False) == [("score/recall", 0.5, 70), ("score/precision", 0.7, 70)]
    assert told(during, scored_once=True) == [("score/recall", 0.5, 0)]
    assert told(after, scored_once=False) == [("score/200/recall", 0.5, 0)]
    del after["headline"]  # as older versions recorded it
    assert told(after, scored_once=False) == [("score/200/recall", 0.5, 0)]


def test_what_is_no_score_keeps_its_name_and_place() -> None:
    own = line("epoch", loss__generator=1.0, my__measure_error=2.0)
    assert told(own, scored_once=True) == [("loss/generator", 1.0, 70), ("my/measure_error", 2.0, 70)]


def test_of_the_machine_only_its_load_is_shown() -> None:
    measured = (
        "cpu_utilization_percentage",
        "disk_usage_percentage",
        "gpu_0_power_usage_watts",
        "network_x_megabytes",
    )
    system = line("", **{f"system__{name}": 1.0 for name in measured})
    names = [name for name, *_ in told(system, scored_once=False)]
    assert names == ["system/cpu_utilization_percentage", "system/gpu_0_power_usage_watts"]


def test_parameters_tell_runs_apart() -> None:
    values = {
        "data._target_": "package.load",
        "data.name": "digits",
        "data.root": "data",
        "model.dropout": "0.0",
        "penalty.name": "none",
        "train.ema": "null",
        "train.lr": "0.0002",
        "evaluate.samples": "1000",
        "seed": "0",
        "device": "auto",
    }
    assert shown.parameters(values, {}) == {"data.name": "digits", "train.lr": "0.0002", "seed": "0"}
    # What was typed is always there, and first: the runs of a sweep differ in it.
    typed = {"train.ema": "null", "seed": "0", "penalty": "none", "experiment": "own", "evaluate.samples": "1000"}
    found = shown.parameters(values, typed)
    assert list(found.items()) == [
        ("experiment", "own"),
        ("train.ema", "null"),
        ("seed", "0"),
        ("penalty.name", "none"),
        ("data.name", "digits"),
        ("train.lr", "0.0002"),
    ]
