"""Decides what MLflow shows of a run's numbers, and where: its pages sort charts by name, and nothing else.

A chart's section is what stands before the last ``/`` of its metric's name, and sections are sorted by name. So the
journal's names get others here wherever their place would be wrong: first pictures (``latest``), then losses
(``loss``) and D's probabilities (``prob``), then scores (``score``), losses of single steps (``step_loss``) and how
training went (``training``). A metric that has one value only gets an empty chart with a dot in it, so of scores that
are measured once just the one that runs are judged by becomes a metric, at step 0: MLflow draws it as a bar, and a
bar for each run where runs are compared. All scores, with their errors, are in ``scores.csv`` and the description.
"""

from __future__ import annotations

from collections.abc import Mapping

from gan_experiments.evaluation.protocol import ERROR, SCORES, TRAINING
from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.mlflow.private_formats import SYSTEM_METRICS
from gan_experiments.tracking.naming import is_silent

LATEST = "latest/"
"""Beginning of the names of pictures that show the run's last state."""
GLANCE = "figures/glance.png"
"""Artifact with the strip that shows a run at a glance, at the head of its description."""
_METRICS = {
    "accuracy/discriminator": "prob/accuracy",
    "epoch": "training/epoch",
    "grad_norm/discriminator": "training/grad_norm_discriminator",
    "grad_norm/generator": "training/grad_norm_generator",
    "loss_step/discriminator": "step_loss/discriminator",
    "loss_step/generator": "step_loss/generator",
    "rate/discriminator": "training/rate_discriminator",
    "rate/generator": "training/rate_generator",
    "schedule/beta2": "training/schedule_beta2",
    "schedule/ema": "training/schedule_ema",
    "schedule/instance_noise": "training/schedule_instance_noise",
    "schedule/penalty": "training/schedule_penalty",
    "speed/steps_per_second": "training/steps_per_second",
}
_SCORES = "score/"
_OF_THE_MACHINE = ("utilization_percentage", "memory_usage_percentage", "power_usage_watts")
"""Endings of the names of measurements of the machine that are shown: MLflow lists them before all other metrics."""
_EXPERIMENT = "experiment"
_UNGROUPED = (_EXPERIMENT, "seed", "device")
"""Keys without a dot that are no groups whose option a ``name`` tells."""
_KNOWN_BY = (
    *("data.name", "model.name", "model.latent_dim", "objective.name", "penalty.name"),
    *("train.epochs", "train.batch_size", "train.lr", "seed"),
)
"""Parameters of every run, whoever chose them."""


def metric_name(name: str) -> str:
    """Return the name in MLflow of a metric of the journal."""
    return _SCORES + name.removeprefix(SCORES) if name.startswith(SCORES) else _METRICS.get(name, name)


def line(recorded: Line, scored_once: bool) -> Line:
    """Return a line of the journal with what MLflow gets of it, by the names that it has there.

    Args:
        recorded: The line.
        scored_once: Whether the run is scored at its end alone.
    """
    match recorded["kind"]:
        case "metrics" | "system":
            return _metrics(recorded, scored_once)
        case "params":
            return recorded | {"values": parameters(recorded["values"], recorded.get("chosen", {}))}
        case "tags":
            return recorded | {"values": tags(recorded["values"])}
    return recorded


def _metrics(recorded: Line, scored_once: bool) -> Line:
    values: dict[str, float] = recorded["values"]
    if (scored_once or recorded["key"] != TRAINING) and any(name.startswith(SCORES) for name in values):
        best = headline(recorded)
        return recorded | {"values": {metric_name(best): values[best]}, "step": 0}
    return recorded | {"values": {metric_name(name): value for name, value in values.items() if _is_shown(name)}}


def _is_shown(name: str) -> bool:
    if name.startswith(SYSTEM_METRICS):
        return name.endswith(_OF_THE_MACHINE)
    return not (name.startswith(SCORES) and name.endswith(ERROR))


def headline(line: Line) -> str:
    """Return the name of the score to judge by in a line of scores; older journals have it first."""
    return line.get("headline") or next(iter(line["values"]))


def parameters(values: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that tell runs apart: those that were chosen, and a few that every run is known by.

    MLflow's pages print all parameters of a run above each of its images, and make a column of each. The rest of the
    configuration is the artifact ``config/config.yaml``; which values a recipe sets, the parameter ``experiment``
    says.

    Args:
        values: Of the whole configuration, by dotted key.
        chosen: What was typed, by key or group, in the order in which it was.
    """
    found = {_EXPERIMENT: chosen[_EXPERIMENT]} if _EXPERIMENT in chosen else {}
    for key in chosen:
        name = parameter_name(key)
        if is_silent(key):
            continue
        if name in values:
            found[name] = values[name]
        elif name != key and chosen[key]:  # an option of a user's own, which need not tell its name
            found[name] = chosen[key]
    return found | {key: values[key] for key in _KNOWN_BY if key in values and values[key] != "none"}


def parameter_name(key: str) -> str:
    """Return the parameter that says what was chosen for a key or a group."""
    return key if "." in key or key in _UNGROUPED else f"{key}.name"


def tags(values: Mapping[str, str]) -> dict[str, str]:
    """Return tags without the scores of real data, which stand next to those of the run in its description."""
    return {key: text for key, text in values.items() if ".floor" not in key}
