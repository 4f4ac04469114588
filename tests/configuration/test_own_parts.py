"""A person's own networks, data, objective and penalty, in files of theirs: treated in every respect as ours are."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from tests.support.real_runs import OFF, client, database, lines, run_id, start, succeed, until_epochs
from tests.support.results import assert_equal
from tests.support.waiting import until

pytestmark = pytest.mark.slow

CODE = '''
import math
import torch
from torch import nn
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.networks import Networks

class Noise(nn.Module):
    """Draws numbers of its own, in training and in use."""

    def forward(self, x):
        return x + 0.1 * torch.randn_like(x)

def build(sample_shape, latent_dim, width):
    size = math.prod(sample_shape)
    generator = nn.Sequential(
        nn.Linear(latent_dim, width), nn.BatchNorm1d(width), nn.ReLU(), Noise(),
        nn.Linear(width, size), nn.Tanh(), nn.Unflatten(1, tuple(sample_shape)),
    )
    discriminator = nn.Sequential(
        nn.Flatten(), nn.Linear(size, width), nn.LeakyReLU(0.2), nn.Dropout(0.25), nn.Linear(width, 1)
    )
    return Networks(generator, discriminator, latent_dim)

class LeastSquares:
    def __init__(self, target):
        self.target = target

    def discriminator_loss(self, real, fake):
        return ((real - self.target) ** 2).mean() + (fake**2).mean()

    def generator_loss(self, real, fake):
        return ((fake - self.target) ** 2).mean()

class Flat:
    """Holds D's derivative near 0 halfway to a random point."""

    def __init__(self, strength):
        self.strength = strength

    def uniforms(self, size):
        return size

    def points(self, real, generated, uniform):
        return (real + uniform.view(real.shape)) / 2

    def value(self, gradient):
        return self.strength * gradient.square().mean()

def stripes(count):
    """Colour pictures of two pixels' height and many lengths."""
    images = (torch.arange(count * 3 * 4 * 6) * 7919 % 256).view(count, 3, 4, 6).to(torch.uint8)
    return Dataset("stripes", images, source="made up")
'''
OPTIONS = {
    "model/noisy": "_target_: own_gan.build\nlatent_dim: 5\nwidth: 16\n",
    "data/stripes": "_target_: own_gan.stripes\ncount: 300\n",
    "penalty/flat": "_target_: own_gan.Flat\nstrength: 0.5\n",
    "objective/squares": "_target_: own_gan.LeastSquares\ntarget: 1.0\n",
}
OWN = (
    "--config-dir=own_conf",
    "model=noisy",
    "data=stripes",
    "objective=squares",
    "penalty=flat",
    "train.batch_size=20",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(empty_database, folder / "mlflow.db")
    (folder / "own_gan.py").write_text(CODE)
    for name, content in OPTIONS.items():
        path = folder / "own_conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_the_whole_way_to_a_model_that_needs_none_of_their_files(folder: Path, tmp_path: Path) -> None:
    succeed(folder, *OWN, "train.epochs=2", "tracking.samples=9", "hydra.run.dir=tracked")
    directory = RunDirectory(folder / "tracked")
    stored = client(database(folder)).get_run(run_id(directory))
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "model=noisy data=stripes objective=squares penalty=flat batch_size=20 epochs=2"
    chosen = {"model.name": "noisy", "data.name": "stripes", "objective.name": "squares", "penalty.name": "flat"}
    assert stored.data.params.items() >= chosen.items()
    composed = OmegaConf.load(directory.config)
    assert (composed.model.width, composed.objective.target, composed.penalty.strength) == (16, 1.0, 0.5)
    assert stored.inputs.dataset_inputs[0].dataset.name == "stripes"

    script = """
import numpy, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
numpy.save("drawn.npy", model.predict(numpy.zeros((7, 5), numpy.float32)))
"""
    model = f"models:/{stored.outputs.model_outputs[0].model_id}"
    command = [sys.executable, "-c", script, database(folder), model]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    drawn = np.load(tmp_path / "drawn.npy")
    assert drawn.shape == (7, 3, 4, 6)
    assert drawn.dtype == np.uint8


def test_networks_that_draw_numbers_go_on_bit_for_bit_however_often_samples_are_taken(folder: Path) -> None:
    settings = (*OWN, *OFF, "train.epochs=60", "train.checkpoint_every=7", "train.ema=0.9", "model.width=64")
    succeed(folder, *settings, "hydra.run.dir=whole")
    whole, killed = RunDirectory(folder / "whole"), RunDirectory(folder / "killed")

    process = start(folder, *settings, "hydra.run.dir=killed", "tracking.sample_every=1")
    until(killed.checkpoint.exists, "the first checkpoint", process)
    for epoch in (0, 20):
        if epoch:
            process = start(folder, f"train.resume={killed.path}", "tracking.sample_every=2")
            until_epochs(killed, epoch, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    succeed(folder, f"train.resume={killed.path}", "tracking.sample_every=5")

    assert len(lines(killed, "session")) == 3
    assert whole.losses.read_bytes() == killed.losses.read_bytes()
    expected, found = (checkpoint.load(directory.checkpoint) for directory in (whole, killed))
    assert "1.running_mean" in expected["step_state"]["generator"]
    for key in ("step", "step_state", "generator_states"):
        assert_equal(expected[key], found[key], key)
