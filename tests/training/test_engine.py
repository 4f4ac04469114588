"""Every engine gives the eager engine's results."""

import shutil

import pytest
import torch

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.models.mlp import build
from gan_experiments.objectives import NonSaturating, Relativistic, Wasserstein, WassersteinGP
from gan_experiments.penalties import Dragan
from gan_experiments.training.counter_rng import step_keys
from gan_experiments.training.engine import REPLAYED, make_engine
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep

B = 8
CPU = torch.device("cpu")


def losses(name, device=CPU, members=1, steps=2 * REPLAYED + 13, precision="fp32", **extras):
    """Losses of some windows of steps, and the weights that they end with."""
    generator = torch.Generator().manual_seed(0)
    samples = torch.randint(0, 256, (40, 1, 6, 6), generator=generator, dtype=torch.uint8).to(device)
    torch.manual_seed(0)
    networks = [build((1, 6, 6), "mlp", 5 + k, [16, 24], [24, 16 + k], 0.2, 0.3) for k in range(members)]
    for pair in networks:
        pair.generator.to(device)
        pair.discriminator.to(device)
    noise = extras.pop("instance_noise", 0.0)
    runs = [
        Member(
            pair,
            TrainConfig(batch_size=B, precision=precision, lr=2e-4 * (k + 1), instance_noise=noise),
            k,
            **({"objective": NonSaturating("n")} | extras),
        )
        for k, pair in enumerate(networks)
    ]
    step = AdversarialStep(runs, Dataset("d", samples), samples)
    engine = make_engine(name, step, device)
    indices = torch.randint(0, 40, (steps, 1, B), generator=generator).to(device)
    keys = step_keys(3, 0, steps).to(device)
    if members > 1:
        indices, keys = (t.unsqueeze(1).repeat_interleave(members, 1) for t in (indices, keys))
    windows = [slice(0, 7), slice(7, steps)]
    statistics = [engine(indices[window], keys[window]) for window in windows]
    together = torch.cat([torch.stack((s.discriminator_loss, s.generator_loss)) for s in statistics], 1)
    return together.cpu(), step.generator.parameters.flat.cpu().clone()


def test_auto_is_eager_on_the_cpu():
    assert torch.equal(losses("auto")[0], losses("eager")[0])


def test_a_graph_needs_cuda():
    with pytest.raises(UserError, match=r"train\.engine=graph: needs CUDA.*cpu"):
        losses("graph")


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is missing; torch.compile needs it on the CPU")
# torch's own compiler warns of its own parts.
@pytest.mark.filterwarnings("ignore")
def test_compiled_networks_train_alike():
    extras = {"objective": Relativistic("r"), "penalty": Dragan("d", 1.0)}
    eager, compiled = losses("eager", **extras), losses("compile", **extras)
    torch.testing.assert_close(compiled[0], eager[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(compiled[1], eager[1], rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_replayed_graph_trains_alike(members, precision):
    cuda = torch.device("cuda")
    eager = losses("eager", cuda, members, precision=precision)
    graph = losses("graph", cuda, members, precision=precision)
    torch.testing.assert_close(graph[0], eager[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(graph[1], eager[1], rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("objective", [Relativistic("r"), Wasserstein("w", 0.05), WassersteinGP("g")])
def test_a_replayed_graph_takes_penalties_along(members, objective):
    cuda, extras = torch.device("cuda"), {"objective": objective, "penalty": Dragan("d", 1.0), "instance_noise": 0.1}
    eager, graph = (losses(name, cuda, members, **extras) for name in ("eager", "graph"))
    torch.testing.assert_close(graph[0], eager[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(graph[1], eager[1], rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_trains_as_the_cpu_does():
    torch.testing.assert_close(losses("graph", torch.device("cuda"))[0], losses("eager")[0], rtol=1e-3, atol=1e-3)
