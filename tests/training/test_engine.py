"""Every engine gives the eager engine's results, and every device the CPU's."""

import copy
import shutil

import pytest
import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.launchers.fused.memory import free_memory
from gan_experiments.models.mlp import Generator
from gan_experiments.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    WassersteinGP,
)
from gan_experiments.penalties import R1, R1R2, R2, Dragan, Gradient
from gan_experiments.training.counter_rng import FieldNoise, MaskSpec, StepNoise, step_keys
from gan_experiments.training.engine import Eager, Recorded, make_engine
from gan_experiments.training.events import CheckpointDue
from gan_experiments.training.trainer import Trainer
from tests.support.steps import CPU, CUDA, DEVICES, SAMPLES, assert_alike, member, steps


class OfUsers(Generator):
    """A network of a user's, which may do more than its tensors show."""


def engine_of(one):
    return Trainer([one], Dataset("d", SAMPLES), device=CPU)._engine


def test_auto_records_the_project_s_perceptrons_on_the_cpu_and_calls_others():
    assert isinstance(engine_of(member()), Recorded)
    assert isinstance(engine_of(member("dcgan")), Eager)
    theirs = member()
    theirs.networks.generator.__class__ = OfUsers
    assert isinstance(engine_of(theirs), Eager)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("members", [1, 3])
def test_a_recording_is_the_eager_run_bit_for_bit(members, precision):
    settings = {"ema": 0.9, "instance_noise": 0.1, "schedule": "cosine", "precision": precision}
    recorded, eager = (
        steps(engine, CPU, [member(k=k, **settings) for k in range(members)]) for engine in ("graph", "eager")
    )
    assert torch.equal(recorded.losses, eager.losses)
    assert torch.equal(recorded.weights, eager.weights)


class Counts(NonSaturating):
    """A user's objective with a state that no tensor shows."""


def test_auto_calls_a_user_s_objective_at_every_step():
    assert isinstance(engine_of(member(objective=Counts("c"))), Eager)


def test_a_device_that_cannot_capture_is_told():
    with pytest.raises(UserError, match="needs CUDA or a CPU, and this run is on mps"):
        make_engine("graph", None, torch.device("mps"))


class ReadsItsLoss(NonSaturating):
    """An objective that looks at a value, as a recording cannot."""

    def generator_loss(self, real, fake):
        loss = super().generator_loss(real, fake)
        return loss * (2 if loss.item() > 0.8 else 1)


def test_a_step_that_reads_a_value_is_not_recorded():
    recorded, eager = (steps(engine, CPU, [member(objective=ReadsItsLoss("r"))]) for engine in ("graph", "eager"))
    assert torch.equal(recorded.losses, eager.losses)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is missing; torch.compile needs it on the CPU")
# torch's own compiler warns of its own parts.
@pytest.mark.filterwarnings("ignore")
def test_compiled_networks_train_alike():
    eager, compiled = (
        steps(engine, CPU, [member(objective=Relativistic("r"), penalty=Dragan("d", 1.0))])
        for engine in ("eager", "compile")
    )
    assert_alike(compiled, eager)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_device_draws_the_cpu_s_noise(device, dtype):
    """Words and masks bit for bit; logarithms and cosines to the last places."""
    keys = step_keys(3, 5, 4)

    def draw(device):
        masks = [MaskSpec(13, (257,), [0.3, 0.5, 0.1, 0.3]), MaskSpec(9, (64,), [0.2] * 4)]
        noise = StepNoise(13, 100, masks, device, [100, 7, 64, 100], dtype)
        fields = FieldNoise((15, 78), [(5, 79)], device, 4)
        return *noise.draw(keys.to(device)), *fields.draw(keys.to(device))

    (latents, masks, normal, tables), reference = draw(torch.device(device)), draw(CPU)
    assert all(torch.equal(mine.cpu(), own) for mine, own in zip(masks, reference[1], strict=True))
    for mine, own in zip((latents, normal, *tables), (reference[0], reference[2], *reference[3]), strict=True):
        torch.testing.assert_close(mine.cpu(), own, rtol=0, atol=2e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("kind", "members"), [("mlp", 1), ("mlp", 3), ("dcgan", 1), ("dcgan", 2)])
def test_a_device_trains_as_the_cpu_does(kind, members, device):
    def result(device):
        return steps("graph", device, [member(kind, k, penalty=Gradient("g", 1.0)) for k in range(members)])

    torch.testing.assert_close(result(device).losses, result("cpu").losses, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["fp32", "bf16", pytest.param("tf32", marks=CUDA)])
@pytest.mark.parametrize(("kind", "members"), [("mlp", 1), ("mlp", 3), ("dcgan", 1), ("dcgan", 2), ("noisy", 1)])
def test_a_replayed_graph_trains_alike_and_twice_the_same(kind, members, precision, device):
    def result(engine):
        return steps(engine, device, [member(kind, k, precision=precision) for k in range(members)])

    graph = result("graph")
    assert_alike(graph, result("eager"))
    again = result("graph")
    assert torch.equal(graph.losses, again.losses)
    assert torch.equal(graph.weights, again.weights)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "penalty", [R1("p", 1.0), R2("p", 1.0), R1R2("p", 0.1), Gradient("p", 1.0), Dragan("p", 1.0)]
)
def test_a_replayed_graph_takes_penalties_along(penalty, precision, members, device):
    extras = {
        "penalty": penalty,
        "precision": precision,
        "instance_noise": 0.1,
        "ema": 0.99,
        "discriminator_steps": 2,
    }
    graph, eager = (
        steps(engine, device, [member(k=k, **extras) for k in range(members)]) for engine in ("graph", "eager")
    )
    assert_alike(graph, eager)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize(
    "objective",
    [
        Minimax("m"),
        LeastSquares("l"),
        Hinge("h"),
        Wasserstein("w", 0.05),
        WassersteinGP("g"),
        Relativistic("r"),
        NonSaturating("n"),
    ],
)
def test_a_replayed_graph_takes_objectives_and_spectral_norm_along(objective, members, device):
    extras = {"objective": objective, "spectral_norm": isinstance(objective, NonSaturating)}
    graph, eager = (
        steps(engine, device, [member(k=k, **extras) for k in range(members)]) for engine in ("graph", "eager")
    )
    assert_alike(graph, eager)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 2e-4), ("bf16", 0.2), pytest.param("tf32", 0.1, marks=CUDA)]
)
def test_members_of_a_stack_train_as_alone(precision, tolerance, device):
    together = steps("graph", device, [member(k=k, precision=precision) for k in range(3)])
    for k in range(3):
        alone = steps("graph", device, [member(k=k, precision=precision)])
        torch.testing.assert_close(together.losses[:, k], alone.losses, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("kind", "precision"), [("mlp", "fp32"), ("mlp", "bf16"), ("dcgan", "fp32"), ("noisy", "fp32")]
)
def test_a_resumed_run_ends_with_the_same_weights(kind, precision, device):
    def trainer():
        one = member(kind, epochs=4, checkpoint_every=2, precision=precision)
        return Trainer([one], Dataset("d", SAMPLES), device=torch.device(device), samples=4)

    def checkpoints(trainer):
        return [copy.deepcopy(e.state) for _, e in trainer.events() if isinstance(e, CheckpointDue)]

    _, middle, end = checkpoints(trainer())
    resumed = trainer()
    resumed.load(middle)
    last = checkpoints(resumed)[-1]
    assert last["step"] == end["step"]
    for player in ("generator", "discriminator"):
        for name, value in end["step_state"][player].items():
            assert torch.equal(last["step_state"][player][name], value), name


@pytest.mark.parametrize("engine", ["eager", "graph"])
@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_window_never_waits_for_the_device(engine):
    trainer = Trainer(
        [member(k=k, engine=engine) for k in range(2)], Dataset("d", SAMPLES), device=torch.device("cuda")
    )
    for _ in range(3):
        trainer._engine(*trainer._inputs(11))  # captures
    inputs = trainer._inputs(11)
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer._engine(*inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no second CUDA device")
def test_a_graph_is_captured_on_any_device():
    assert_alike(*(steps("graph", device, [member()]) for device in ("cuda:1", "cuda:0")))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_trainers_that_are_gone_leave_no_memory_behind():
    """But for the workspaces of cuBLAS, which stay with each stream."""
    free_memory()
    before = torch.cuda.memory_reserved()
    for _ in range(4):
        trainer = Trainer([member(k=k) for k in range(4)], Dataset("d", SAMPLES), device=torch.device("cuda"))
        for _ in range(3):
            trainer._engine(*trainer._inputs(11))
        del trainer
        free_memory()
    assert torch.cuda.memory_reserved() - before < 400 * 2**20
