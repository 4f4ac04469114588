"""Schedules are torch's own and R3GAN's, in a stack as alone, and resumed as if never interrupted."""

from __future__ import annotations

import copy
from math import cos, pi

import numpy as np
import pytest
import torch

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.penalties import R1
from gan_experiments.training.events import CheckpointDue, EpochFinished, StepsFinished
from gan_experiments.training.optimizers.adam import Adam
from gan_experiments.training.optimizers.optimizer import rates_of
from gan_experiments.training.schedules import Schedules, check_schedules
from gan_experiments.training.trainer import Trainer
from tests.support.steps import CPU, CUDA, SAMPLES, assert_alike, member, steps

SIZE, BATCH = 40, 4
PER_EPOCH, EPOCHS = 10, 5
TOTAL = PER_EPOCH * EPOCHS
R3GAN = {
    "schedule": "cosine", "lr_final": 0.25, "betas": [0.0, 0.9], "beta2_final": 0.99, "ema": 0.5, "ema_final": 0.998,
    "penalty_final": 0.1, "instance_noise": 0.3, "instance_noise_final": 0.1,
}  # fmt: skip
"""Every value that a schedule may change."""


def over_a_run(*settings):
    """Each member's scheduled values at every step, by name: ``[TOTAL]``."""
    trains = [TrainConfig(**({"epochs": EPOCHS, "batch_size": BATCH} | own)) for own in settings]
    generator, discriminator = (
        Adam(torch.zeros(len(trains), 3), [rates_of(train, train.lr * factor) for train in trains])
        for factor in (1, 2)
    )
    schedules = Schedules(trains, SIZE, generator, discriminator)
    steps = []
    for step in range(TOTAL):
        generator.step.fill_(step)
        discriminator.step.fill_(step * trains[0].discriminator_steps)
        schedules.update()
        steps.append([schedules.metrics(k) for k in range(len(trains))])
    return [{name: np.array([step[k][name] for step in steps]) for name in steps[0][k]} for k in range(len(trains))]


def torch_s_own(make):
    """The factors of one of torch's own schedules."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimizer)
    factors = []
    for _ in range(TOTAL):
        factors.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return np.array(factors)


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({"schedule": "linear"}, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, TOTAL)),
        ({"schedule": "linear", "lr_final": 0.2}, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.2, TOTAL)),
        ({"schedule": "cosine"}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, TOTAL)),
        (
            {"schedule": "cosine", "lr_final": 0.1},
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, TOTAL, eta_min=0.1),
        ),
        (
            {"schedule": "step", "step_epochs": 1.5, "step_gamma": 0.5},
            lambda o: torch.optim.lr_scheduler.StepLR(o, 15, 0.5),
        ),
        (
            {"schedule": "linear", "schedule_epochs": 3, "lr_final": 0.5},
            lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.5, 3 * PER_EPOCH),
        ),
        ({"warmup_epochs": 0.8}, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1 / 8, 1.0, 7)),
    ],
)
def test_rates_are_those_of_torch_s_schedules(settings, make):
    (values,) = over_a_run({"lr": 3e-4, **settings})
    assert set(values) == {"rate/generator", "rate/discriminator"}
    expected = 3e-4 * torch_s_own(make)
    np.testing.assert_allclose(values["rate/generator"], expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(values["rate/discriminator"], 2 * expected, rtol=1e-9, atol=1e-15)


def test_the_schedule_begins_when_the_warm_up_ends():
    (values,) = over_a_run({"lr": 1.0, "schedule": "cosine", "warmup_epochs": 2})
    t = np.arange(TOTAL)
    expected = np.where(t < 20, (t + 1) / 20, (1 + np.cos(pi * (t - 20) / 30)) / 2)
    np.testing.assert_allclose(values["rate/generator"], expected, rtol=1e-9, atol=1e-12)


def test_everything_follows_one_cosine_as_in_r3gan():
    """Huang et al., 2024: the EMA's half-life moves, not its decay."""
    (values,) = over_a_run({"lr": 2e-4, **R3GAN})
    decay = np.array([0.5 * (1 + cos(pi * t / TOTAL)) for t in range(TOTAL)])

    def between(start, final):
        return start + (1 - decay) * (final - start)

    half_lives = np.log(0.5) / np.log([0.5, 0.998])
    np.testing.assert_allclose(values["rate/generator"], between(2e-4, 5e-5), rtol=1e-9)
    np.testing.assert_allclose(values["schedule/beta2"], between(0.9, 0.99), rtol=1e-9)
    np.testing.assert_allclose(values["schedule/penalty"], between(1, 0.1), rtol=1e-6)
    np.testing.assert_allclose(values["schedule/instance_noise"], between(0.3, 0.1), rtol=1e-6)
    np.testing.assert_allclose(values["schedule/ema"], 0.5 ** (1 / between(*half_lives)), atol=1e-6)


def test_what_is_not_scheduled_stays_exactly_as_it_is():
    constant = {"lr": 3e-4, "betas": [0.5, 0.9], "ema": 0.9}
    for settings in ([constant], [constant, {"schedule": "step", "step_epochs": 1, "ema": 0.9}, R3GAN]):
        values = over_a_run(*settings)[0]
        assert set(values) == {"rate/generator", "rate/discriminator"}
        assert set(values["rate/generator"]) == {3e-4}
        assert set(values["rate/discriminator"]) == {6e-4}


def test_instance_noise_falls_in_its_own_epochs_beside_any_schedule():
    falling = {"instance_noise": 0.2, "instance_noise_epochs": 2, "discriminator_steps": 2, "batch_size": BATCH // 2}
    alone, scheduled = (over_a_run({**falling, **more})[0] for more in ({}, {"schedule": "cosine"}))
    for values in (alone, scheduled):
        expected = 0.2 * np.maximum(0, 1 - np.arange(TOTAL) / (2 * PER_EPOCH))
        np.testing.assert_allclose(values["schedule/instance_noise"], expected, atol=1e-7)


def trainer(*members):
    return Trainer(list(members), Dataset("d", SAMPLES), device=CPU, samples=4, sample_every=99)


def trained(whole):
    """All events of each member."""
    events = [[] for _ in whole._slots]
    for k, event in whole.events():
        # A checkpoint's state is valid until the next event.
        events[k].append(copy.deepcopy(event) if isinstance(event, CheckpointDue) else event)
    return events


def losses(events):
    """Of D and G at each step, ``[2, steps]``."""
    windows = [e for e in events if isinstance(e, StepsFinished)]
    return np.concatenate([np.stack((w.discriminator_loss, w.generator_loss)) for w in windows], 1)


MEMBERS = [
    {"schedule": "linear", "warmup_epochs": 1, "ema": 0.9},
    {**R3GAN, "warmup_epochs": 0.5},
    {"ema": 0.99, "instance_noise": 0.1, "instance_noise_epochs": 3},
]


def one(k, epochs=14):
    return member(k=k, penalty=R1("r1", 1.0 + k), epochs=epochs, checkpoint_every=5, **MEMBERS[k])


def test_members_with_other_schedules_equal_their_solo_runs():
    stacked = trained(trainer(*map(one, range(3))))
    for k, events in enumerate(stacked):
        (alone,) = trained(trainer(one(k)))
        assert losses(alone).shape[1] >= 100
        np.testing.assert_allclose(losses(events), losses(alone), rtol=2e-4, atol=2e-4)
        rates, expected = (
            [e.metrics["rate/generator"] for e in own if isinstance(e, EpochFinished)] for own in (events, alone)
        )
        assert rates == expected
        assert len(set(rates)) == (14 if k < 2 else 1)


def test_a_run_resumed_in_the_middle_of_its_schedule_is_the_whole_one():
    (whole,) = trained(trainer(one(1, epochs=8)))
    state = next(e.state for e in whole if isinstance(e, CheckpointDue) and e.epoch == 5)
    again = trainer(one(1, epochs=8))
    again.load(state)
    (rest,) = trained(again)
    np.testing.assert_array_equal(losses(rest), losses(whole)[:, state["step"] :])
    after = [e.metrics["rate/generator"] for e in rest if isinstance(e, EpochFinished)]
    assert after == [e.metrics["rate/generator"] for e in whole if isinstance(e, EpochFinished)][5:]


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=CUDA)])
@pytest.mark.parametrize("members", [1, 3])
def test_a_replayed_graph_takes_schedules_along(members, device):
    graph, eager = (steps(engine, device, [one(k) for k in range(members)]) for engine in ("graph", "eager"))
    assert_alike(graph, eager)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup_epochs": 10}, "train.warmup_epochs=10: must be less than train.epochs=10"),
        (
            {"schedule": "cosine", "schedule_epochs": 2.5, "warmup_epochs": 3},
            "train.warmup_epochs=3: must be less than train.schedule_epochs=2.5",
        ),
        (
            {"schedule": "linear", "schedule_epochs": 11},
            "train.schedule_epochs=11: must be at most train.epochs=10",
        ),
        ({"schedule": "step"}, "train.step_epochs=null: must be a number below 10, the epochs of the run, with"),
        (
            {"schedule": "step", "step_epochs": 8, "warmup_epochs": 2},
            "train.step_epochs=8: must be a number below 8, the epochs after the warm-up, with train.schedule=step",
        ),
        ({"ema_final": 0.9, "ema": 0.5}, "train.ema_final=0.9: needs a train.schedule other than constant"),
        (
            {"schedule": "cosine", "beta2_final": 0.99, "optimizer": "sgd"},
            "train.beta2_final=0.99: must be null with train.optimizer=sgd, which has no betas",
        ),
        ({"schedule": "cosine", "ema_final": 0.9}, "train.ema_final=0.9: must be null with train.ema=null"),
        ({"schedule": "cosine", "penalty_final": 0.0}, "train.penalty_final=0: must be null with penalty=none"),
        (
            {"schedule": "cosine", "instance_noise_final": 0.0, "instance_noise_epochs": 3},
            "train.instance_noise_final=0: must be null with train.instance_noise_epochs=3",
        ),
    ],
)
def test_what_would_do_nothing_is_refused(settings, message):
    with pytest.raises(UserError) as refused:
        check_schedules(TrainConfig(epochs=10, **settings), has_penalty=False)
    assert str(refused.value).startswith(message)


def test_what_fits_is_allowed():
    check_schedules(TrainConfig(epochs=10, **R3GAN), has_penalty=True)
    check_schedules(TrainConfig(epochs=10, schedule="step", step_epochs=9.5, optimizer="sgd"), has_penalty=False)
