"""``python -m gan_experiments.export``: what other programs read draws the samples that ``sample`` draws."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from gan_experiments import FinishedRun, compose, export, train
from gan_experiments.configuration.instantiate import build
from gan_experiments.errors import UserError
from gan_experiments.runs import exporting
from gan_experiments.runs.saved_networks import SavedGenerator
from tests.support.real_runs import OFF, TINY
from tests.test_readme import CONF, write_own_files

pytestmark = pytest.mark.slow

SHORT = (*OFF, "train.epochs=1", "train.ema=0.9", "evaluate=off")
RUNS = {
    "perceptron": TINY,
    "dcgan": ("model=dcgan", "model.latent_dim=8", "model.generator_widths=[8,4]", "model.discriminator_widths=[4]"),
    "points": ("data=ring", "data.samples=500", *TINY),
    "own": ("model=convolutional", "data=noise", "model.channels=2", "data.count=60"),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A short run: of this project's networks, on points, or of networks of the user's own."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        sys.modules.pop("my_gan", None)
        write_own_files(CONF)
        config_dir = "my_conf" if request.param == "own" else None
        yield train(compose([*RUNS[request.param], *SHORT, "hydra.run.dir=run"], config_dir))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def latents(run: FinishedRun, count: int) -> torch.Tensor:
    """Those that ``sample`` takes with seed 0."""
    return torch.randn(count, run.config.model.latent_dim, generator=torch.Generator().manual_seed(0))


def assert_same(samples: np.ndarray, run: FinishedRun) -> None:
    """Of bytes, one in a hundred may be rounded the other way; floats agree to five digits."""
    expected = run.sample(len(samples), seed=0)
    assert samples.dtype == expected.dtype
    assert samples.shape == expected.shape
    if samples.dtype == np.uint8:
        difference = np.abs(samples.astype(int) - expected)
        assert difference.max() <= 1
        assert difference.mean() <= 0.01
    else:
        np.testing.assert_allclose(samples, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 5])
def test_onnx(run: FinishedRun, count: int) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra export")
    pytest.importorskip("onnxscript", reason="needs the extra export")
    export.main([str(run.directory), "--format", "onnx", "-o", "g.onnx"])
    session = onnxruntime.InferenceSession("g.onnx", providers=["CPUExecutionProvider"])
    (samples,) = session.run(["samples"], {"latents": latents(run, count).numpy()})
    assert_same(samples, run)
    assert [path.name for path in Path().iterdir()] == ["g.onnx"]


def test_torch_export(run: FinishedRun) -> None:
    export.main([str(run.directory), "--format", "torch_export"])
    program = torch.export.load("generator.pt2").module()
    for count in (1, 5):
        with torch.no_grad():
            assert_same(program(latents(run, count)).numpy(), run)


def test_safetensors(run: FinishedRun, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors import safe_open

    export.main([str(run.directory), "--format", "safetensors"])
    assert capsys.readouterr().out.startswith("generator.safetensors: latents float32 [N, ")
    with safe_open("generator.safetensors", "pt") as file:
        description = json.loads(file.metadata()["generator"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    networks = build(DictConfig(description["model"]), sample_shape=description["sample_shape"])
    networks.generator.load_state_dict(weights)
    trained = run.generator().generator.state_dict()
    assert weights.keys() == trained.keys()
    assert all(torch.equal(weights[name], trained[name]) for name in trained)
    assert description["latent_dim"] == networks.latent_dim


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        export.main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not list(Path().iterdir())
    return error


@pytest.mark.parametrize("run", ["perceptron"], indirect=True)
def test_what_cannot_be_exported(
    run: FinishedRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(run.directory)
    assert refused(capsys, folder, "--format", "onxn").startswith("error: --format onxn: must be one of onnx, ")
    assert "cannot be written" in refused(capsys, folder, "--format", "safetensors", "-o", "missing/g.safetensors")
    assert "cannot be written (No such" in refused(capsys, folder, "--format", "onnx", "-o", "/proc/g.onnx")
    assert "is not the folder of a run" in refused(capsys, "elsewhere", "--format", "onnx")
    assert "there are 1" in refused(capsys, folder, "--format", "safetensors", "--epoch", "7")
    monkeypatch.setattr(exporting, "_PACKAGES", {"onnx": ("no_such_package",)})
    line = "error: --format onnx: needs no_such_package; pip install 'gan-experiments[export]'\n"
    assert refused(capsys, folder, "--format", "onnx") == line


class Fickle(torch.nn.Module):
    """A network whose program depends on its values, which nothing can trace."""

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return latents if latents.sum() > 0 else -latents


def test_a_network_that_cannot_be_traced(tmp_path: Path) -> None:
    generator = SavedGenerator.__new__(SavedGenerator)
    torch.nn.Module.__init__(generator)
    generator.generator, generator.latent_dim = Fickle(), 2
    with pytest.raises(UserError, match=r"^--format torch_export: this generator cannot be exported"):
        exporting.export(generator, {}, "torch_export", tmp_path / "g.pt2")
    assert not list(tmp_path.iterdir())
