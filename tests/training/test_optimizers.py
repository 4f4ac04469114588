"""Each optimiser is torch's own, alone and stacked, in both forms of its arithmetic."""

import copy

import numpy as np
import pytest
import torch

from gan_experiments.configuration.fields import modules_in
from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.models.mlp import build
from gan_experiments.objectives import NonSaturating
from gan_experiments.training.events import CheckpointDue, StepsFinished
from gan_experiments.training.member import Member
from gan_experiments.training.optimizers.optimizer import check_optimizer, optimizer_class, rates_of
from gan_experiments.training.trainer import Trainer
from tests.support.steps import DEVICES

NAMES = modules_in("training/optimizers", "optimizer")
STEPS, SIZE = 100, 40
SETTINGS = [
    {"lr": 1e-3},
    {"lr": 1e-2, "betas": [0.5, 0.9], "weight_decay": 0.1, "momentum": 0.9},
    {"lr": 3e-4, "betas": [0.0, 0.99], "weight_decay": 0.01},
]


def torch_s_own(name, parameters, train):
    """Torch's optimiser with the settings of ``train``; fused, where torch has that."""
    betas, own = {"betas": tuple(train.betas)}, {"lr": train.lr, "weight_decay": train.weight_decay}
    return {
        "adam": lambda: torch.optim.Adam([parameters], **own, **betas, fused=True),
        "adamw": lambda: torch.optim.AdamW([parameters], **own, **betas, fused=True),
        "rmsprop": lambda: torch.optim.RMSprop([parameters], **own, momentum=train.momentum),
        "sgd": lambda: torch.optim.SGD([parameters], **own, momentum=train.momentum, fused=True),
    }[name]()


def start(seed, count=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, SIZE, generator=generator)


def gradient_of(parameters):
    """Of a smooth function with curvatures of many sizes."""
    return torch.sin(3 * parameters) + parameters * torch.logspace(-3, 1, SIZE, device=parameters.device)


def reference(name, train, parameters):
    parameters = parameters.clone().requires_grad_()
    optimizer = torch_s_own(name, parameters, train)
    for _ in range(STEPS):
        parameters.grad = gradient_of(parameters.detach())
        optimizer.step()
    return parameters.detach()


def trained(name, trains, parameters, device="cpu", stacked_form=False):
    parameters = parameters.clone().to(device)
    optimizer = optimizer_class(name)(parameters, [rates_of(train) for train in trains])
    if stacked_form:
        optimizer._on_cpu = False
    for _ in range(STEPS):
        optimizer.update(gradient_of(parameters))
    assert optimizer.step.tolist() == [STEPS] * len(trains)
    return parameters.cpu()


def test_every_file_has_a_reference_here():
    for name in NAMES:
        assert torch_s_own(name, torch.zeros(1), TrainConfig()) is not None
    assert {"adam", "adamw", "rmsprop", "sgd"} <= set(NAMES)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_alone_it_gives_torch_s_bits(name, settings):
    train = TrainConfig(**settings)
    assert torch.equal(trained(name, [train], start(0))[0], reference(name, train, start(0)[0]))


@pytest.mark.parametrize("name", NAMES)
def test_members_of_a_stack_get_torch_s_bits_on_the_cpu(name):
    trains = [TrainConfig(**settings) for settings in SETTINGS]
    stacked = trained(name, trains, start(1, 3))
    for own, train, before in zip(stacked, trains, start(1, 3), strict=True):
        assert torch.equal(own, reference(name, train, before))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_one_operation_over_all_members_is_torch_s_own(name, count, device):
    trains = [TrainConfig(**settings) for settings in SETTINGS[:count]]
    stacked = trained(name, trains, start(2, count), device, stacked_form=True)
    for own, train, before in zip(stacked, trains, start(2, count), strict=True):
        torch.testing.assert_close(own, reference(name, train, before), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("stacked_form", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_an_update_reads_the_rates_that_are_there_now(name, stacked_form):
    parameters = start(3, 2)
    optimizer = optimizer_class(name)(parameters, [rates_of(TrainConfig())] * 2)
    if stacked_form:
        optimizer._on_cpu = False
    optimizer.rates[1, 0] = 0.0  # the second member's learning rate
    before = parameters.clone()
    optimizer.update(gradient_of(parameters))
    assert not torch.equal(parameters[0], before[0])
    assert torch.equal(parameters[1], before[1])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_captured_update_reads_the_rates_that_are_there_now(name):
    parameters = start(3, 2).cuda()
    optimizer = optimizer_class(name)(parameters, [rates_of(TrainConfig())] * 2)
    gradient = torch.ones_like(parameters)
    optimizer.update(gradient)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.update(gradient)
    optimizer.rates[1, 0] = 0.0
    before = parameters.clone()
    graph.replay()
    assert not torch.equal(parameters[0], before[0])
    assert torch.equal(parameters[1], before[1])


@pytest.mark.parametrize("name", NAMES)
def test_momentum_is_refused_where_it_would_be_ignored(name):
    train = TrainConfig(optimizer=name, momentum=0.9)
    if optimizer_class(name).uses_momentum:
        check_optimizer(train)
        return
    with pytest.raises(UserError, match=rf"^train\.momentum=0\.9: must be 0 with train\.optimizer={name}, "):
        check_optimizer(train)


def member(name, seed=0, **train):
    torch.manual_seed(seed)
    networks = build((1, 6, 6), "mlp", 12, [24, 40], [40, 24], 0.2, 0.3)
    lr = {"sgd": 1e-2}.get(name, 2e-4)
    settings = TrainConfig(**({"epochs": 10, "batch_size": 8, "optimizer": name, "lr": lr} | train))
    return Member(networks, settings, seed, NonSaturating("n"))


def trainer(*members):
    generator = torch.Generator().manual_seed(0)
    samples = torch.randint(0, 256, (90, 1, 6, 6), generator=generator, dtype=torch.uint8)
    return Trainer(members, Dataset("tiny", samples), device=torch.device("cpu"), samples=4, sample_every=99)


def losses(events, k=0):
    windows = [event for number, event in events if number == k and isinstance(event, StepsFinished)]
    return np.concatenate([np.stack((w.discriminator_loss, w.generator_loss)) for w in windows], 1)


def specs(name):
    own = {"weight_decay": 1e-2} | ({"momentum": 0.5} if optimizer_class(name).uses_momentum else {})
    return [{}, {"seed": 1, **own}]


@pytest.mark.parametrize("name", NAMES)
def test_every_member_equals_its_solo_run(name):
    together = list(trainer(*(member(name, **spec) for spec in specs(name))).events())
    for k, spec in enumerate(specs(name)):
        alone = losses(trainer(member(name, **spec)).events())
        assert alone.shape[1] >= 100
        np.testing.assert_allclose(losses(together, k), alone, rtol=2e-4, atol=2e-4)


def checkpoint_of(running):
    """The state after two epochs, and the losses from there on."""
    state, after = None, []
    for k, event in running.events():
        if state is not None:
            after.append((k, event))
        if isinstance(event, CheckpointDue) and event.epoch == 2:
            state = copy.deepcopy(event.state)  # valid until the next event
    return state, losses(after)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_continues_bit_for_bit(name):
    spec = specs(name)[1] | {"checkpoint_every": 2, "epochs": 4}
    state, after = checkpoint_of(trainer(member(name, **spec)))
    resumed = trainer(member(name, **spec))
    resumed.load(state)
    np.testing.assert_array_equal(losses(resumed.events()), after)


def test_a_member_with_momentum_continues_in_a_stack_and_one_without_it_too():
    spec = [one | {"checkpoint_every": 2, "epochs": 4} for one in specs("sgd")]
    states, after = zip(*(checkpoint_of(trainer(member("sgd", **one))) for one in spec), strict=True)
    resumed = trainer(*(member("sgd", **one) for one in spec))
    for k, state in enumerate(states):
        resumed.load(state, k)
    events = list(resumed.events())
    for k in range(2):
        np.testing.assert_allclose(losses(events, k), after[k], rtol=2e-4, atol=2e-4)


def test_a_checkpoint_of_the_days_when_adam_was_the_only_optimiser_continues():
    state, after = checkpoint_of(trainer(member("adam", checkpoint_every=2, epochs=4)))
    for player in ("generator", "discriminator"):
        own = state["step_state"].pop(f"optimizer_{player}")
        old = {"first": own["exp_avg"], "second": own["exp_avg_sq"], "updates": own["step"]}
        state["step_state"][f"adam_{player}"] = old
    resumed = trainer(member("adam", checkpoint_every=2, epochs=4))
    resumed.load(state)
    np.testing.assert_array_equal(losses(resumed.events()), after)
