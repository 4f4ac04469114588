"""Trains the classifiers that judge generators."""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional

from gan_experiments.data.dataset import Dataset
from gan_experiments.data.resize import resize
from gan_experiments.errors import UserError
from gan_experiments.evaluation.classifier import Classifier, ClassifierSpec, Network

_BATCH = 128
_LR = 2e-3
_TURN, _SHIFT = math.radians(10), 2.0
"""Most by which training images are turned (radians) and moved (pixels of 28)."""
_SCALE = (0.7, 1.1)
"""Least and largest scale of the window that an image is sampled from: below 1 it zooms in."""
_COARSE, _COARSE_SHARE = 8, 0.25
"""Resolution to which a quarter of the images are coarsened: scikit-learn's digits have no more."""


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale, move and sometimes coarsen each image by its own random amounts: floats ``[N, C, S, S]``."""
    # 1. One matrix of an affine map per image: [N, 2, 3].
    turn, zoom, right, down, coarse = torch.rand(5, len(images), generator=generator).unbind()
    angle, scale = (turn * 2 - 1) * _TURN, _SCALE[0] + zoom * (_SCALE[1] - _SCALE[0])
    cos, sin, shift = angle.cos() * scale, angle.sin() * scale, 2 * _SHIFT / 28
    rows = torch.stack((cos, -sin, (right * 2 - 1) * shift, sin, cos, (down * 2 - 1) * shift), 1).view(-1, 2, 3)
    grid = functional.affine_grid(rows, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    # 2. Coarsen a quarter of the images.
    chosen = coarse < _COARSE_SHARE
    small = functional.interpolate(moved[chosen], size=_COARSE, mode="area")
    moved[chosen] = functional.interpolate(small, size=images.shape[-2:], mode="bicubic")
    return moved


def train(dataset: Dataset, epochs: int, seed: int, quiet: bool = False) -> Classifier:
    """Train on the whole data set by Adam, with a learning rate that falls as a cosine from ``2e-3`` to 0.

    Args:
        dataset: Images with labels.
        epochs: Passes over them.
        seed: Of weights, order and augmentation.
        quiet: Whether no line is printed after an epoch.

    Raises:
        UserError: The data has no images or no classes.
    """
    if not dataset.is_image or dataset.labels is None or dataset.sample_shape[1] % 4:
        raise UserError(f"data={dataset.name}: must be images with labels, of a size that is a multiple of 4")
    # 1. Make network, optimiser and schedule.
    labels, size = dataset.labels, dataset.sample_shape[1]
    assert dataset.classes is not None
    spec = ClassifierSpec(dataset.name, dataset.classes, dataset.sample_shape[0], size)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = Network(spec).train()
    optimiser = torch.optim.Adam(network.parameters(), _LR)
    steps = len(dataset) // _BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LR, total_steps=epochs * max(steps, 1), pct_start=0.1)
    # 2. Train.
    for epoch in range(epochs):
        order, total = torch.randperm(len(dataset), generator=generator), 0.0
        for batch in order[: max(steps, 1) * _BATCH].split(_BATCH):
            images = augment(resize(dataset.samples[batch], size).float() / 127.5 - 1, generator)
            loss = nn.functional.cross_entropy(network(images)[1], labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        if not quiet:
            print(f"epoch {epoch + 1}/{epochs}, loss {total / max(steps, 1):.4f}", file=sys.stderr, flush=True)
    # 3. Measure the weights as they are stored.
    network.half().float()
    classifier = Classifier(spec, network)
    accuracy = measure(classifier, dataset.test() if dataset.test is not None else dataset)
    return Classifier(ClassifierSpec(spec.name, spec.classes, spec.channels, size, accuracy), network)


def measure(classifier: Classifier, dataset: Dataset) -> float:
    """Return the share of a labelled data set that is classified correctly."""
    assert dataset.labels is not None
    return (classifier(dataset.samples)[1].argmax(1).cpu() == dataset.labels).double().mean().item()
