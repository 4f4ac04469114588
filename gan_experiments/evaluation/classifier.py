"""A small classifier whose penultimate layer gives the features that generators are judged by.

An Inception network, trained on photographs of a thousand kinds of things, is the wrong judge of 28 x 28 digits and
cannot be downloaded everywhere. This one was trained once and is shipped, because a network that is trained anew on
every machine is another measure on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError

_SHIPPED = Path(str(files("gan_experiments.evaluation")))
"""Folder of the classifiers inside this package. Each file's metadata names the data sets that it serves."""
_ARCHITECTURE = "conv16k5-pool-conv32k5-pool-fc64-fc; leaky relu 0.2; same padding; max pool 2"
_PREPROCESSING = "uint8, bicubic antialiased to size, x / 127.5 - 1"
_BATCH = 100


@dataclass(frozen=True)
class ClassifierSpec:
    """The images and classes that a classifier knows.

    Attributes:
        name: The data that it was trained on.
        classes: Number of classes.
        channels: Channels of its images.
        size: Height and width of its images in pixels, a multiple of 4.
        accuracy: Share of the test set that it got right, or of the training set where there is no test set.
    """

    name: str
    classes: int
    channels: int
    size: int
    accuracy: float = 0.0


class Network(nn.Module):
    """LeNet's layout, with leaky rectifiers so that no feature dies.

    Args:
        spec: Channels, size and classes.
    """

    def __init__(self, spec: ClassifierSpec) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(spec.channels, 16, 5, padding=2),
            nn.MaxPool2d(2),  # before the rectifier, which is monotone: the same numbers, a quarter of the work
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.MaxPool2d(2),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.hidden = nn.Sequential(nn.Linear(32 * (spec.size // 4) ** 2, 64), nn.LeakyReLU(0.2))
        self.output = nn.Linear(64, spec.classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images in [-1, 1] ``[N, C, size, size]`` to features ``[N, 64]`` and logits ``[N, classes]``."""
        features = self.hidden(self.convolutions(images))
        return features, self.output(features)


class Classifier:
    """A trained classifier as the judge of images.

    Args:
        spec: The images and classes that it knows.
        network: Its weights, exact in half precision, in which they are stored.

    Attributes:
        spec: As given.
        classes: Number of classes.
        channels: Channels of the images that it was trained on.
        version: Its name and the first twelve hexadecimal digits of the SHA-256 of weights, architecture and
            preprocessing. Scores under different versions are not comparable.
    """

    kind = "classifier"

    def __init__(self, spec: ClassifierSpec, network: Network) -> None:
        self.spec, self.classes, self.channels = spec, spec.classes, spec.channels
        # On a CPU, pooling is three times faster with the channels last.
        self._network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.version = f"{spec.name}:{self._digest()[:12]}"

    def to(self, device: torch.device) -> Classifier:
        """Move it to ``device``, and return it."""
        self._network.to(device)
        return self

    def _digest(self) -> str:
        algorithm = hashlib.sha256(f"{_ARCHITECTURE}|{_PREPROCESSING}|{self.spec.size}".encode())
        for name, weight in self._network.state_dict().items():
            algorithm.update(f"|{name}{list(weight.shape)}".encode())
            algorithm.update(weight.half().cpu().numpy().tobytes())
        return algorithm.hexdigest()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and class probabilities.

        A classifier of one channel judges images of several channel by channel: features are concatenated, and
        classes are tuples of classes, as in the protocol of Stacked MNIST.

        Args:
            images: uint8 ``[N, C, H, W]``, on any device.

        Returns:
            Features float32 ``[N, 64]`` and probabilities float32 ``[N, classes]``, both on the classifier's
            device; for c channels judged separately, ``[N, 64 c]`` and ``[N, classes ** c]``.
        """
        device = self._network.output.weight.device
        features, probabilities = [], []
        for batch in images.split(_BATCH):
            pixels = resize(batch.to(device), self.spec.size).float() / 127.5 - 1
            parts = [
                self._network(part.contiguous(memory_format=torch.channels_last))
                for part in pixels.split(self.spec.channels, 1)
            ]
            features.append(torch.cat([feature for feature, _ in parts], 1))
            probabilities.append(_joint([logits.softmax(1) for _, logits in parts]))
        return torch.cat(features), torch.cat(probabilities)

    def save(self, path: Path, serves: Sequence[str] = ()) -> None:
        """Write weights, in half precision, and specification as a safetensors file.

        Args:
            path: The file.
            serves: For a classifier that is shipped with this package: data sets that it judges by default.
        """
        weights = {name: weight.half().cpu().contiguous() for name, weight in self._network.state_dict().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        spec = json.dumps(asdict(self.spec))
        save_file(weights, path, {"spec": spec, "architecture": _ARCHITECTURE, "serves": " ".join(serves)})


def _joint(parts: Sequence[Tensor]) -> Tensor:
    """Return probabilities of tuples ``[N, k ** parts]`` from those of independent classes ``[N, k]`` each."""
    joint = parts[0]
    for part in parts[1:]:
        joint = (joint[:, :, None] * part[:, None, :]).flatten(1)
    return joint


def shipped_for(dataset: str) -> Path | None:
    """Return the file of the shipped classifier that serves a data set, by the data set's name; None for others."""
    for path in sorted(_SHIPPED.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            if dataset in file.metadata()["serves"].split():
                return path
    return None


def load(path: Path) -> Classifier:
    """Load a classifier from a file that ``Classifier.save`` wrote.

    Raises:
        UserError: The file is missing, or is none of these.
    """
    if not path.is_file():
        raise UserError(
            f"evaluate.features={path}: there is no such file; it must be classifier, random, inception or a file"
        )
    try:
        with safe_open(path, "pt") as file:
            description = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"evaluate.features={path}: is no safetensors file ({error})") from error
    if description.get("architecture") != _ARCHITECTURE:
        raise UserError(
            f"evaluate.features={path}: was not made by python -m gan_experiments.evaluation.train_classifier"
        )
    spec = ClassifierSpec(**json.loads(description["spec"]))
    with torch.device("meta"):  # draws no weights, which would advance the random numbers that training uses
        network = Network(spec)
    network.load_state_dict(weights, assign=True)
    return Classifier(spec, network)
