"""Features of untrained filters, for images that no classifier judges: pinned, needing no training and no network.

The weights of a small convolutional network are drawn once and for all from a fixed seed. What such a network makes
of an image says how much there is of which colours, edges and textures, and in which quarter; it does not know what
is shown. M. Naeem et al., "Reliable fidelity and diversity metrics for generative models" (2020), use such features
where the data are unlike the photographs that the usual networks are trained on.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gan_experiments.data.resize import resize

_SEED = 0
_SIZE = 32
_CHANNELS = (16, 24, 24)
_COLOURS = 4
"""Filters of the first layer that answer to an even colour; the weights of the others add up to 0."""
_SLOPE = 0.2
_SCALE = 10.0
"""Factor of the features, so that distances are numbers of a readable size."""
_ARCHITECTURE = "conv16k5-pool-conv24k3-pool-conv24k3; leaky relu 0.2; average pool 2; means of quarters, times 10"
_PREPROCESSING = "uint8, bicubic antialiased to 32, x / 127.5 - 1"
_BATCH = 250


class RandomFeatures:
    """Three layers of random filters; a feature is the mean of a filter's answers over a quarter of the image.

    Args:
        channels: Channels of the images.

    Attributes:
        version: ``random`` and the first twelve hexadecimal digits of the SHA-256 of weights, architecture and
            preprocessing.
    """

    kind = "random"
    classes = channels = None

    def __init__(self, channels: int) -> None:
        sizes = (channels, *_CHANNELS)
        # The bits of a bit generator are the same in every version of NumPy and on every machine.
        bits = np.random.Philox(_SEED)
        shapes = [(sizes[k + 1], sizes[k], 3 if k else 5, 3 if k else 5) for k in range(len(_CHANNELS))]
        self._weights = [_uniform(bits, shape) for shape in shapes]
        # Of the weights as they are drawn, which are the same to the last bit everywhere.
        algorithm = hashlib.sha256(f"{_ARCHITECTURE}|{_PREPROCESSING}".encode())
        for weight in self._weights:
            algorithm.update(f"|{list(weight.shape)}".encode() + weight.numpy().tobytes())
        self.version = f"{self.kind}:{algorithm.hexdigest()[:12]}"
        self._weights[0][_COLOURS:] -= self._weights[0][_COLOURS:].mean((2, 3), keepdim=True)

    def to(self, device: torch.device) -> RandomFeatures:
        """Move it to ``device``, and return it."""
        self._weights = [weight.to(device) for weight in self._weights]
        return self

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, None]:
        """Return features float32 ``[N, 256]`` of images uint8 ``[N, C, H, W]``, and no classes."""
        device = self._weights[0].device
        batches = (resize(batch.to(device), _SIZE).float() / 127.5 - 1 for batch in images.split(_BATCH))
        return torch.cat([self._features(batch) for batch in batches]), None

    def _features(self, answers: Tensor) -> Tensor:
        means = []
        for k, weight in enumerate(self._weights):
            if k:
                answers = functional.avg_pool2d(answers, 2)
            answers = functional.conv2d(answers, weight, padding=weight.shape[-1] // 2)
            answers = functional.leaky_relu(answers, _SLOPE)
            means.append(functional.adaptive_avg_pool2d(answers, 2).flatten(1))
        return torch.cat(means, 1) * _SCALE


def _uniform(bits: np.random.Philox, shape: tuple[int, ...]) -> Tensor:
    """Draw weights from a uniform distribution of variance 2 / fan-in, float32."""
    numbers = bits.random_raw(math.prod(shape)) >> np.uint64(40)  # 24 bits: float32 holds them exactly
    width = math.sqrt(6 / math.prod(shape[1:]))
    return torch.from_numpy(((numbers / 2**23 - 1) * width).astype(np.float32)).view(shape)
