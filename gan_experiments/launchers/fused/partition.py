"""The rule by which a sweep's runs may train as one stacked program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Any, TypeVar

from gan_experiments.configuration.part_schemas import schema_of
from gan_experiments.configuration.schema import fields_of

T = TypeVar("T")
Model = dict[str, Any]

_MAY_DIFFER = {
    "train": (
        "epochs",
        "checkpoint_every",
        "lr",
        "generator_lr",
        "discriminator_lr",
        "betas",
        "weight_decay",
        "momentum",
        "instance_noise",
        "instance_noise_epochs",
        "instance_noise_final",
        "schedule",
        "schedule_epochs",
        "warmup_epochs",
        "lr_final",
        "step_epochs",
        "step_gamma",
        "beta2_final",
        "ema_final",
        "penalty_final",
        "early_stop",
        "stop_at",
        "keep_best",
        "keep_checkpoints",
        "start_from",
        "resume",
    ),
    "tracking": ("name", "experiment", "run_name", "tags", "log_every"),
}
"""Keys in which the members of a stack may differ; they may differ in the seed, too."""


def structure(plain: Mapping[str, Any]) -> str:
    """Return all that runs must have in common to train as one program, in a form that can be compared.

    A model's schema declares what members share of each key: perceptrons agree in depth, not in widths. Custom
    networks must agree in all their settings, because nothing says which of them are shapes, and which numbers.

    Args:
        plain: The configuration as plain values.
    """
    config = {key: value for key, value in plain.items() if key not in ("seed", "fused")}
    for group, names in _MAY_DIFFER.items():
        config[group] = {key: value for key, value in config[group].items() if key not in names}
    config["train"]["ema"] = config["train"]["ema"] is not None
    for group in ("objective", "penalty", "augment"):
        # Of these every number is a coefficient, and a stack can give each member its own.
        config[group] = {key: _kind(value) for key, value in config[group].items() if key != "name"}
    config["model"] = _shared_model(config["model"])
    return json.dumps(config, sort_keys=True)


def _shared_model(model: Model) -> Model:
    shared = _sharing(model)
    kept = {key: value for key, value in model.items() if shared.get(key) != "nothing"}
    return {key: len(value) if shared.get(key) == "length" else value for key, value in kept.items()}


def _sharing(model: Model) -> dict[str, str]:
    """Return what members of a stack share of each key of a model; nothing is known of custom ones."""
    schema = schema_of("model", model.get("_target_"))
    return {} if schema is None else {name: spec.metadata["shared"] for name, (_, spec) in fields_of(schema).items()}


def extremes(models: Sequence[Model]) -> tuple[Model, Model]:
    """Return a model with the smallest of everything that may differ in models of one structure, and the largest."""
    shared = _sharing(models[0])

    def with_each(choose: Callable[[Iterable[Any]], Any]) -> Model:
        found = dict(models[0])
        for key, value in found.items():
            values = [model[key] for model in models]
            if shared.get(key) == "length":
                found[key] = [choose(sizes) for sizes in zip(*values, strict=True)]
            elif shared.get(key) == "nothing" and _kind(value) == "a number":
                found[key] = choose(values)
        return found

    return with_each(min), with_each(max)


def _kind(value: Any) -> Any:
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else value


def chunks(items: Sequence[T], limit: int) -> list[Sequence[T]]:
    """Cut items into as few parts as a limit on their size allows, of nearly the same size, in order."""
    count = ceil(len(items) / limit)
    bounds = [len(items) * i // count for i in range(count + 1)]
    return [items[a:b] for a, b in pairwise(bounds)]
