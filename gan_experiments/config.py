"""The schema of an experiment: one dataclass a group, each field with its default, meaning and range.

Only dataclasses and the ConfigStore live here, so that composing a configuration imports no torch. Types are
enforced by OmegaConf, ranges by ``gan_experiments.validation``.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from gan_experiments.settings import above, any_of, at_least, at_most, below, each, matching, one_of, setting

_SEED = at_least(0) & at_most(2**31 - 1)


@dataclass
class ImageDataConfig:
    """Images: one uint8 tensor ``[N, C, H, W]``."""

    _target_: str = setting(MISSING, "function that loads the data")
    name: str = setting(MISSING, "the data set's name, as it appears in run names and in MLflow")
    root: str = setting("data", "folder of the files, or where a download puts them (digits need none)")
    image_size: int = setting(28, "height and width in pixels; other images are resized (antialiased)", at_least(1))
    download: bool = setting(True, "whether missing files may be fetched from the network")


@dataclass
class StackedDataConfig(ImageDataConfig):
    """Three of MNIST's digits as the channels of one image."""

    _target_: str = setting("gan_experiments.data.stacked.load", "function that draws the data")
    samples: int = setting(128_000, "images drawn once, from data_seed", at_least(1))
    data_seed: int = setting(0, "seed of the triples; apart from the run's, so that runs can share data", _SEED)


@dataclass
class ImageFolderDataConfig:
    """Any folder of pictures, searched recursively."""

    _target_: str = setting("gan_experiments.data.image_folder.load", "function that loads the data")
    name: str = setting("image_folder", "the data set's name, as it appears in run names and in MLflow")
    root: str = setting(MISSING, "the folder of pictures; a cache is kept beside them, keyed by their content")
    image_size: int = setting(28, "pixels; the shorter side is resized to it and the centre cropped", at_least(1))
    channels: int = setting(3, "1 for grey, 3 for colour", one_of(1, 3))
    download: bool = setting(False, "without effect: a folder is never downloaded")


@dataclass
class MixtureDataConfig:
    """A mixture of equally likely 2-D Gaussians: one float tensor ``[N, 2]``."""

    _target_: str = setting(MISSING, "function that draws the data")
    name: str = setting(MISSING, "the data set's name, as it appears in run names and in MLflow")
    modes: int = setting(MISSING, "number of Gaussians; for grid a square number", at_least(1))
    extent: float = setting(MISSING, "ring: its radius; grid: half the side of the square of means", above(0))
    std: float = setting(MISSING, "standard deviation of each Gaussian, in the units of extent", above(0))
    samples: int = setting(100_000, "points drawn once, from data_seed", at_least(1))
    data_seed: int = setting(0, "seed of the points; apart from the run's, so that runs can share data", _SEED)


@dataclass
class MLPConfig:
    """Multi-layer perceptrons for both players; LeakyReLU between layers."""

    _target_: str = setting("gan_experiments.models.mlp.build", "function that builds the networks")
    name: str = setting("mlp", "the architecture's name")
    latent_dim: int = setting(100, "dimension of z ~ N(0, I)", at_least(1))
    generator_widths: list[int] = setting(
        [256, 512, 1024], "hidden widths from z to the sample; Tanh closes", each(at_least(1))
    )
    discriminator_widths: list[int] = setting(
        [1024, 512, 256], "hidden widths from the sample to the one logit", each(at_least(1))
    )
    negative_slope: float = setting(0.2, "LeakyReLU's slope for negative inputs")
    dropout: float = setting(
        0.3, "probability that a hidden unit of D is dropped in training", at_least(0) & below(1)
    )
    spectral_norm: bool = setting(False, "whether D's weights are divided by their largest singular value")


@dataclass
class DCGANConfig:
    """Strided convolutions for both players, on images."""

    _target_: str = setting("gan_experiments.models.dcgan.build", "function that builds the networks")
    name: str = setting("dcgan", "the architecture's name")
    latent_dim: int = setting(100, "dimension of z ~ N(0, I)", at_least(1))
    generator_widths: list[int] = setting(
        [128, 64], "channels before each of G's convolutions, which double the image", each(at_least(1))
    )
    discriminator_widths: list[int] = setting(
        [64, 128], "channels after each of D's convolutions, which halve the image", each(at_least(1))
    )
    negative_slope: float = setting(0.2, "LeakyReLU's slope for negative inputs, in D")
    dropout: float = setting(
        0.0, "probability that a hidden unit of D is dropped in training", at_least(0) & below(1)
    )
    spectral_norm: bool = setting(False, "spectral normalisation of D in place of its batch norm")


@dataclass
class ObjectiveConfig:
    """What the two players minimise."""

    _target_: str = setting(MISSING, "class of the objective")
    name: str = setting(MISSING, "the objective's name")


@dataclass
class ValueFunctionConfig(ObjectiveConfig):
    """The 2014 paper's value function."""

    label_smoothing: float = setting(
        0.0, "one-sided: D's target for real samples is 1 minus this", at_least(0) & below(1)
    )


@dataclass
class LeastSquaresConfig(ObjectiveConfig):
    """Squared distances from targets."""

    real_target: float = setting(1.0, "what D should say of real samples; b in the paper")
    fake_target: float = setting(0.0, "what D should say of generated samples; a in the paper")
    generator_target: float = setting(1.0, "what G wants D to say of generated samples; c in the paper")


@dataclass
class WassersteinConfig(ObjectiveConfig):
    """The dual form of the Wasserstein distance, with clipped weights."""

    clip: float | None = setting(
        0.01, "D's weights are kept within plus and minus this; null for no clipping", above(0)
    )


@dataclass
class WassersteinGPConfig(ObjectiveConfig):
    """The dual form of the Wasserstein distance, with a gradient penalty of its own."""

    gradient_penalty: float = setting(10.0, "weight of the gradient penalty; lambda in the paper", at_least(0))


@dataclass
class RelativisticConfig(ObjectiveConfig):
    """Real samples judged against generated ones."""

    pairing: str = setting(
        "pairs", "whether a sample is held against one of the other kind or their mean", one_of("pairs", "mean")
    )


@dataclass
class PenaltyConfig:
    """A term on the derivative of D, on top of the objective's loss of D."""

    _target_: str = setting(MISSING, "class of the penalty")
    name: str = setting(MISSING, "the penalty's name")
    weight: float = setting(MISSING, "what the penalty is multiplied with", at_least(0))


@dataclass
class NoPenaltyConfig:
    """The objective's loss of D alone."""

    _target_: str = setting("gan_experiments.penalties.none", "function that returns None")
    name: str = setting("none", "the penalty's name")


@dataclass
class TrainConfig:
    """How the players are trained."""

    epochs: int = setting(100, "passes over the data", at_least(1))
    batch_size: int = setting(52, "samples a step; not more than the data set has", at_least(1))
    lr: float = setting(2e-4, "Adam's learning rate, for the players whose own is null", above(0))
    generator_lr: float | None = setting(None, "the generator's learning rate; null follows lr", above(0))
    discriminator_lr: float | None = setting(None, "the discriminator's learning rate; null follows lr", above(0))
    betas: list[float] = setting([0.9, 0.999], "Adam's decay rates", each(at_least(0) & below(1), length=2))
    discriminator_steps: int = setting(1, "discriminator updates before each generator update", at_least(1))
    precision: str = setting(
        "fp32", "tf32 are CUDA's matrix units; bf16 is autocast, weights stay float32", one_of("fp32", "tf32", "bf16")
    )
    engine: str = setting(
        "auto",
        "how steps are repeated; auto is graph on CUDA, else eager; compile takes tens of seconds to start",
        one_of("auto", "eager", "graph", "compile"),
    )
    ema: float | None = setting(
        None, "decay a step of an average of G's weights, which samples then use; null for none", above(0) & below(1)
    )
    instance_noise: float = setting(
        0.0, "standard deviation of noise on all that D sees, whose values lie in [-1, 1]", at_least(0)
    )
    instance_noise_epochs: int | None = setting(
        None, "epochs over which instance_noise falls linearly to 0; null keeps it", at_least(1)
    )
    checkpoint_every: int = setting(5, "epochs between checkpoints; the last step always makes one", at_least(1))
    early_stop: list[str] = setting(
        [],
        "warning lights that end the run if they are on when an epoch ends; empty for none",
        any_of("mode_collapse", "saturated_discriminator", "oscillation", "generator_stopped"),
    )
    resume: str | None = setting(
        None, "a run's folder, a checkpoint, an MLflow run id; or auto, to go on if there is a checkpoint"
    )


@dataclass
class EvaluateConfig:
    """How good the generator is, measured while it trains and when it is through."""

    name: str = setting(MISSING, "off, quick or full")
    every: int | None = setting(None, "epochs between scores; null for the end of the run alone", at_least(1))
    samples: int = setting(10_000, "generated samples that are scored; compare equal numbers alone", at_least(100))
    metrics: list[str] = setting(
        [],
        "what is measured, where it makes sense for the data; empty for nothing",
        any_of("frechet", "precision_recall", "classes", "mixture", "parzen", "memorisation"),
    )
    features: str = setting(
        "classifier", "classifier (the one for digits that is shipped), inception, or the file of one of your own"
    )


@dataclass
class TrackingConfig:
    """Where runs are recorded. The run's folder always holds everything; MLflow gets a copy."""

    name: str = setting(MISSING, "local, server or off")
    uri: str | None = setting(MISSING, "MLflow tracking URI; null for the run's folder alone")
    experiment: str = setting("gan", "MLflow experiment")
    run_name: str | None = setting(None, "the run's name; null for one made of what is special about it")
    tags: dict[str, str] = setting({}, "further MLflow tags: +tracking.tags.KEY=VALUE")
    log_every: int = setting(100, "steps between logged losses", at_least(1))
    sample_every: int = setting(5, "epochs between sample grids", at_least(1))
    samples: int = setting(64, "samples in a grid, from one z that stays the same", at_least(1))
    system_metrics: bool = setting(True, "whether processor, memory and GPU use are recorded")
    timeout: float = setting(20.0, "seconds that the end of a run waits for a server", at_least(0))


@dataclass
class FusedConfig:
    """How ``hydra/launcher=fused`` trains a sweep."""

    max_members: int = setting(64, "most runs that train as one program; fewer where memory is short", at_least(1))


@dataclass
class Config:
    """A whole experiment. Data, model, objective and penalty are open to a user's own ``_target_``."""

    data: Any = MISSING
    model: Any = MISSING
    objective: Any = MISSING
    penalty: Any = MISSING
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = MISSING
    tracking: TrackingConfig = MISSING
    fused: FusedConfig = field(default_factory=FusedConfig)
    seed: int = setting(0, "seed of everything random in the run", _SEED)
    device: str = setting(
        "auto", "auto is CUDA where there is one, else the CPU",
        matching(r"auto|cpu|cuda(:\d+)?|mps", "auto, cpu, cuda, cuda:N or mps"),
    )  # fmt: skip


SCHEMAS: tuple[tuple[str, str, type], ...] = (
    ("data", "schema_image_data", ImageDataConfig),
    ("data", "schema_stacked_data", StackedDataConfig),
    ("data", "schema_image_folder_data", ImageFolderDataConfig),
    ("data", "schema_mixture_data", MixtureDataConfig),
    ("model", "schema_mlp", MLPConfig),
    ("model", "schema_dcgan", DCGANConfig),
    ("objective", "schema_objective", ObjectiveConfig),
    ("objective", "schema_value_function", ValueFunctionConfig),
    ("objective", "schema_least_squares", LeastSquaresConfig),
    ("objective", "schema_wasserstein", WassersteinConfig),
    ("objective", "schema_wasserstein_gp", WassersteinGPConfig),
    ("objective", "schema_relativistic", RelativisticConfig),
    ("penalty", "schema_penalty", PenaltyConfig),
    ("penalty", "schema_no_penalty", NoPenaltyConfig),
    ("train", "schema_train", TrainConfig),
    ("evaluate", "schema_evaluate", EvaluateConfig),
    ("tracking", "schema_tracking", TrackingConfig),
)
"""Group, name for defaults lists, and dataclass. The names belong to no group, so that nobody is offered them."""

WITHOUT_OPTIONS: tuple[tuple[str, type], ...] = (("fused", FusedConfig),)
"""Groups of keys that are always there, with no options to choose from."""


def register() -> None:
    """Make the schema known to Hydra; group files name their part in their defaults list."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for group, name, node in SCHEMAS:
        store.store(name=name, node=node, package=group)


def schemas() -> list[tuple[str, type]]:
    """Every group's name with a dataclass of its keys."""
    return [*((group, schema) for group, _, schema in SCHEMAS), *WITHOUT_OPTIONS]


def fields_of(schema: type) -> dict[str, tuple[Any, Field[Any]]]:
    """Name of each field of a schema, with its type and its ``dataclasses.Field``."""
    kinds = get_type_hints(schema)
    return {spec.name: (kinds[spec.name], spec) for spec in fields(schema)}
