"""The schema of an experiment: one dataclass a group, each field with its unit, range and meaning.

Only dataclasses and the ConfigStore live here, so that composing a configuration imports no torch. Ranges that
a type cannot express are in the field's metadata and enforced by ``gan_experiments.validation``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class ImageDataConfig:
    """Images: one uint8 tensor ``[N, C, H, W]``.

    Attributes:
        name: The data set's name, as it appears in run names and in MLflow.
        root: Folder that holds the files, or where a download puts them; relative to the working directory.
            Not used by ``digits``, which travel with scikit-learn.
        image_size: Height and width in pixels; images of another size are resized (antialiased bilinear).
        download: Whether missing files may be fetched. ``false`` never touches the network.
    """

    _target_: str = MISSING
    name: str = MISSING
    root: str = "data"
    image_size: int = 28
    download: bool = True


@dataclass
class ImageFolderDataConfig:
    """Any folder of pictures, searched recursively.

    Attributes:
        name: The data set's name.
        root: The folder of pictures; a cache file is kept beside them, keyed by their content.
        image_size: Height and width in pixels; the shorter side is resized to it and the centre cropped.
        channels: 1 for grey, 3 for colour.
        download: Present in every image group; a folder is never downloaded.
    """

    _target_: str = "gan_experiments.data.image_folder.load"
    name: str = "image_folder"
    root: str = MISSING
    image_size: int = 28
    channels: int = 3
    download: bool = False


@dataclass
class MixtureDataConfig:
    """A mixture of equally likely 2-D Gaussians: one float tensor ``[N, 2]``.

    Attributes:
        name: The data set's name.
        modes: Number of Gaussians (for ``grid``, a square number).
        extent: ``ring``: its radius. ``grid``: half the side of the square that the means span.
        std: Standard deviation of each Gaussian, in the units of ``extent``.
        samples: Number of points drawn once, from ``data_seed``.
        data_seed: Seed of the points; separate from the run's seed, so that runs of a study share their data.
    """

    _target_: str = MISSING
    name: str = MISSING
    modes: int = MISSING
    extent: float = MISSING
    std: float = MISSING
    samples: int = 100_000
    data_seed: int = 0


@dataclass
class MLPConfig:
    """Multi-layer perceptrons for both players; LeakyReLU between layers.

    Attributes:
        name: The architecture's name.
        latent_dim: Dimension of z ~ N(0, I).
        generator_widths: Hidden widths from z to the sample; Tanh closes.
        discriminator_widths: Hidden widths from the sample to the one logit.
        negative_slope: LeakyReLU's slope for negative inputs; any finite number.
        dropout: Probability that a hidden unit of the discriminator is dropped in training, in [0, 1).
    """

    _target_: str = "gan_experiments.models.mlp.build"
    name: str = "mlp"
    latent_dim: int = 100
    generator_widths: list[int] = field(default_factory=lambda: [256, 512, 1024])
    discriminator_widths: list[int] = field(default_factory=lambda: [1024, 512, 256])
    negative_slope: float = 0.2
    dropout: float = 0.3


@dataclass
class ObjectiveConfig:
    """What the two players minimise.

    Attributes:
        name: The objective's name.
    """

    _target_: str = MISSING
    name: str = MISSING


@dataclass
class TrainConfig:
    """How the players are trained.

    Attributes:
        epochs: Passes over the data, at least 1.
        batch_size: Samples a step, from 1 to the size of the data set.
        lr: Adam's learning rate, > 0, for the players whose own is null.
        generator_lr: The generator's learning rate, or null for ``lr``.
        discriminator_lr: The discriminator's learning rate, or null for ``lr``.
        betas: Adam's two decay rates, each in [0, 1).
        discriminator_steps: Discriminator updates before each generator update, at least 1.
        precision: ``fp32``, ``tf32`` (CUDA's matrix units), or ``bf16`` (autocast; weights stay float32).
        ema: Decay per step of an exponential moving average of the generator's weights in (0, 1), or null for
            none. Where it is on, samples and scores use the average.
        checkpoint_every: Epochs between checkpoints; the last step always makes one.
        resume: null for a new run; ``auto`` to go on from the checkpoint in this run's own output folder if
            there is one; or a run's folder, a checkpoint in it, or an MLflow run id.
    """

    epochs: int = 100
    batch_size: int = 52
    lr: float = 2e-4
    generator_lr: float | None = None
    discriminator_lr: float | None = None
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    discriminator_steps: int = 1
    precision: str = "fp32"
    ema: float | None = None
    checkpoint_every: int = 5
    resume: str | None = None


@dataclass
class TrackingConfig:
    """Where runs are recorded. The run's folder always holds everything; MLflow gets a copy.

    Attributes:
        name: ``local``, ``server`` or ``off``.
        uri: MLflow tracking URI, or null for the journal alone. A relative ``sqlite:///`` path is made absolute.
        experiment: MLflow experiment.
        run_name: Name of the run, or null for one made of what is special about it.
        tags: Further MLflow tags.
        log_every: Steps between logged losses.
        sample_every: Epochs between sample grids.
        samples: Samples in a grid, drawn from one fixed z for the whole run.
        system_metrics: Whether processor, memory and GPU use are recorded.
        timeout: Seconds that the end of a run waits for a server that does not answer.
    """

    name: str = MISSING
    uri: str | None = None
    experiment: str = "gan"
    run_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    log_every: int = 100
    sample_every: int = 5
    samples: int = 64
    system_metrics: bool = True
    timeout: float = 20.0


@dataclass
class Config:
    """A whole experiment. ``data``, ``model`` and ``objective`` are open to a user's own ``_target_``.

    Attributes:
        seed: Seed of everything random in the run, from 0 to 2**31 - 1.
        device: ``auto`` (CUDA where there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    """

    data: Any = MISSING
    model: Any = MISSING
    objective: Any = MISSING
    train: TrainConfig = field(default_factory=TrainConfig)
    tracking: TrackingConfig = MISSING
    seed: int = 0
    device: str = "auto"


def register() -> None:
    """Make the schema known to Hydra; group files name their part in their defaults list."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for group, name, node in (
        ("data", "image", ImageDataConfig),
        ("data", "folder", ImageFolderDataConfig),
        ("data", "mixture", MixtureDataConfig),
        ("model", "mlp", MLPConfig),
        ("objective", "objective", ObjectiveConfig),
        ("train", "train", TrainConfig),
        ("tracking", "tracking", TrackingConfig),
    ):
        store.store(group=f"schema/{group}", name=name, node=node, package=group)
