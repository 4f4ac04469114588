"""The schema of an experiment: one dataclass a group, each field with its default, meaning and range.

Only dataclasses live here, so that training can read them without Hydra. OmegaConf enforces their types,
``gan_experiments.configuration.validation`` their ranges.
"""

from __future__ import annotations

from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from omegaconf import MISSING

from gan_experiments.configuration.fields import (
    above,
    any_of,
    at_least,
    at_most,
    below,
    each,
    matching,
    modules_in,
    one_of,
    seeds,
    setting,
)


@dataclass
class TrainConfig:
    """Length, batches, rates, engine and checkpoints of the training."""

    epochs: int = setting(100, "passes over the data", at_least(1))
    batch_size: int = setting(52, "samples a step; not more than the data set has", at_least(1))
    lr: float = setting(2e-4, "learning rate, for the players whose own is null", above(0))
    generator_lr: float | None = setting(None, "the generator's learning rate; null follows lr", above(0))
    discriminator_lr: float | None = setting(None, "the discriminator's learning rate; null follows lr", above(0))
    optimizer: str = setting(
        "adam",
        "updates the weights, as torch's optimiser of that name",
        one_of(*modules_in("training/optimizers", "optimizer")),
    )
    betas: list[float] = setting(
        [0.9, 0.999], "decay rates of adam and adamw; the others have none", each(at_least(0) & below(1), length=2)
    )
    weight_decay: float = setting(0.0, "factor of the weights in their own decrease; adamw decouples it", at_least(0))
    momentum: float = setting(
        0.0, "factor of the last update in the next, for sgd and rmsprop", at_least(0) & below(1)
    )
    schedule: str = setting(
        "constant",
        "the way of the learning rates from their own values to lr_final, and of all that has a ..._final",
        one_of("constant", "linear", "cosine", "step"),
    )
    schedule_epochs: float | None = setting(
        None, "epochs after which linear and cosine are at the end; null for all epochs", above(0)
    )
    warmup_epochs: float = setting(
        0.0, "epochs over which learning rates rise linearly from 0, before the schedule begins", at_least(0)
    )
    lr_final: float = setting(0.0, "factor of the learning rates at the schedule's end", at_least(0))
    step_epochs: float | None = setting(None, "epochs between the steps of schedule=step", above(0))
    step_gamma: float = setting(
        0.1, "what is left of the way to the end after each step of schedule=step", above(0) & at_most(1)
    )
    beta2_final: float | None = setting(
        None, "second of betas at the schedule's end; null keeps it", at_least(0) & below(1)
    )
    penalty_final: float | None = setting(
        None, "factor of the penalty's weight at the schedule's end; null keeps it", at_least(0)
    )
    discriminator_steps: int = setting(1, "discriminator updates before each generator update", at_least(1))
    precision: str = setting(
        "fp32", "tf32 are CUDA's matrix units; bf16 is autocast, weights stay float32", one_of("fp32", "tf32", "bf16")
    )
    engine: str = setting(
        "auto",
        "how steps are repeated; auto is graph on CUDA and for perceptrons, else eager; compile starts slowly",
        one_of("auto", "eager", "graph", "compile"),
    )
    ema: float | None = setting(
        None, "decay a step of an average of G's weights, which samples then use; null for none", above(0) & below(1)
    )
    ema_final: float | None = setting(
        None, "ema at the schedule's end, which its half-life goes to; null keeps it", above(0) & below(1)
    )
    instance_noise: float = setting(
        0.0, "standard deviation of noise on all that D sees, whose values lie in [-1, 1]", at_least(0)
    )
    instance_noise_epochs: int | None = setting(
        None, "epochs over which instance_noise falls linearly to 0; null keeps it", at_least(1)
    )
    instance_noise_final: float | None = setting(
        None, "instance_noise at the schedule's end, instead of a fall of its own; null keeps it", at_least(0)
    )
    checkpoint_every: int = setting(5, "epochs between checkpoints; the last step always makes one", at_least(1))
    early_stop: list[str] = setting(
        [],
        "warning lights that end the run if they are on when an epoch ends; empty for none",
        any_of(*modules_in("evaluation/warning_lights")),
    )
    stop_at: dict[str, float] = setting(
        {}, "scores that end the run once all are reached: +train.stop_at.frechet_classifier_distance=20"
    )
    keep_best: bool = setting(False, "whether the generator with the best score is kept as the run's, not the last")
    keep_checkpoints: int | None = setting(
        None, "generators of earlier epochs that are kept, the newest ones; null keeps all", at_least(0)
    )
    start_from: str | None = setting(
        None, "a run's folder, a checkpoint or an MLflow run id, whose weights a new run starts from"
    )
    resume: str | None = setting(
        None, "a run's folder, a checkpoint, an MLflow run id; or auto, to resume where there is a checkpoint"
    )


@dataclass
class EvaluateConfig:
    """Scores of the generator, while it trains and at the end."""

    name: str = setting(MISSING, "off, quick or full")
    every: int | None = setting(None, "epochs between scores; null for the end of the run alone", at_least(1))
    samples: int = setting(
        10_000, "generated samples that are scored; only scores of equal numbers are comparable", at_least(100)
    )
    metrics: list[str] = setting(
        [],
        "what is measured, where it makes sense for the data; empty for nothing",
        any_of(*modules_in("evaluation/metrics")),
    )
    features: str = setting(
        "classifier",
        "classifier (a shipped one; random where none serves the data), random, inception, or a classifier's file",
    )


@dataclass
class TrackingConfig:
    """The place where runs are recorded. The run's folder always holds everything; a tracker gets a copy."""

    name: str = setting(MISSING, "local, server, tensorboard or off")
    uri: str | None = setting(MISSING, "MLflow tracking URI, or tensorboard:FOLDER; null for the run's folder alone")
    experiment: str = setting("gan", "the experiment that the run belongs to")
    run_name: str | None = setting(None, "the run's name; null for one made from the overrides")
    tags: dict[str, str] = setting({}, "further MLflow tags: +tracking.tags.KEY=VALUE")
    log_every: int = setting(100, "steps between logged losses", at_least(1))
    sample_every: int = setting(5, "epochs between sample grids", at_least(1))
    samples: int = setting(64, "samples in a grid, from one z that stays the same", at_least(1))
    pictures: str = setting(
        "auto",
        "all, or the last ones; auto: all, of more than 16 runs the last",
        one_of("auto", "all", "last"),
    )
    system_metrics: bool = setting(True, "whether processor, memory and GPU use are recorded")
    timeout: float = setting(20.0, "seconds that the end of a run waits for a server", at_least(0))


@dataclass
class FusedConfig:
    """Settings of ``hydra/launcher=fused``, which trains a sweep as one program."""

    slots: str = setting(
        "auto",
        "runs that train at once; auto: as many as fit into the memory, at most max_members",
        matching(r"auto|[1-9]\d*", "auto or a whole number, at least 1"),
    )
    max_members: int = setting(64, "most slots of slots=auto; once the only name of slots", at_least(1))


@dataclass
class Config:
    """A whole experiment. Data, model, objective, penalty and augment take a custom ``_target_``."""

    data: Any = MISSING
    model: Any = MISSING
    objective: Any = MISSING
    penalty: Any = MISSING
    augment: Any = MISSING
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = MISSING
    tracking: TrackingConfig = MISSING
    fused: FusedConfig = field(default_factory=FusedConfig)
    seed: int = setting(0, "seed of everything random in the run", seeds())
    device: str = setting(
        "auto", "auto is CUDA where there is one, else the CPU",
        matching(r"auto|cpu|cuda(:\d+)?|mps", "auto, cpu, cuda, cuda:N or mps"),
    )  # fmt: skip


@cache
def fields_of(schema: type) -> dict[str, tuple[Any, Field[Any]]]:
    """Name of each field of a schema, with its type and its ``dataclasses.Field``."""
    kinds = get_type_hints(schema)
    return {spec.name: (kinds[spec.name], spec) for spec in fields(schema)}


def default_of(schema: Any, name: str) -> Any:
    """Return the default of a schema's field; ``???`` where it has none, or where this is no schema or no field."""
    if not is_dataclass(schema) or not isinstance(schema, type) or name not in fields_of(schema):
        return MISSING
    _, spec = fields_of(schema)[name]
    value = spec.default if spec.default_factory is NO_DEFAULT else spec.default_factory()
    return MISSING if value is NO_DEFAULT else value
