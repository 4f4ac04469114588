import numpy as np
import pytest
import torch

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.mlp import build
from gan_experiments.objectives import NonSaturating
from gan_experiments.training import trainer as trainer_module
from gan_experiments.training.events import (
    CheckpointDue,
    Completed,
    Diverged,
    EpochFinished,
    ProbabilitiesTaken,
    SamplesDrawn,
    StepsFinished,
    Stopped,
)
from gan_experiments.training.member import Member
from gan_experiments.training.trainer import Trainer

N, B = 45, 8


def make(seed=0, dropout=0.3, networks=None, **train):
    generator = torch.Generator().manual_seed(0)
    dataset = Dataset("tiny", torch.randint(0, 256, (N, 1, 4, 4), generator=generator, dtype=torch.uint8))
    torch.manual_seed(seed)
    networks = networks or build((1, 4, 4), "mlp", 6, [10], [12, 10], 0.2, dropout)
    settings = TrainConfig(**({"epochs": 4, "batch_size": B, "checkpoint_every": 2} | train))
    return Trainer(
        [Member(networks, settings, seed, NonSaturating("n"))],
        dataset,
        device=torch.device("cpu"),
        samples=9,
        sample_every=3,
    )


def run(trainer):
    return [event for _, event in trainer.events()]


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def weights(trainer):
    state = trainer.state()["step_state"]
    return [t.clone() for player in ("generator", "discriminator") for t in state[player].values()]


def losses(events):
    return np.concatenate([e.discriminator_loss for e in of(StepsFinished, events)])


def test_events_of_a_whole_run():
    trainer = make()
    events = run(trainer)
    assert trainer.length.total_steps == 23  # ceil(4 * 45 / 8): every image seen four times, every batch full
    assert [e.step for e in of(EpochFinished, events)] == [6, 12, 17, 23]
    assert [e.epoch for e in of(EpochFinished, events)] == [1, 2, 3, 4]
    assert [e.epoch for e in of(SamplesDrawn, events)] == [0, 3, 4]
    assert [e.epoch for e in of(CheckpointDue, events)] == [0, 2, 4]
    assert [type(e) for e in events[-3:]] == [ProbabilitiesTaken, CheckpointDue, Completed]
    assert len(losses(events)) == 23


def test_epoch_metrics_are_the_means_of_its_steps_and_histograms_count_every_sample():
    events = run(make())
    first = of(EpochFinished, events)[0]
    steps = np.concatenate([e.prob_fake for e in of(StepsFinished, events)])[:6]
    assert first.metrics["loss/discriminator"] == pytest.approx(losses(events)[:6].mean(), rel=1e-5)
    assert first.metrics["prob/fake"] == pytest.approx(steps.mean(), rel=1e-5)
    assert set(first.metrics) == {
        "loss/discriminator",
        "loss/generator",
        "prob/real",
        "prob/fake",
        "accuracy/discriminator",
        "grad_norm/discriminator",
        "grad_norm/generator",
        "rate/discriminator",
        "rate/generator",
        "speed/steps_per_second",
    }
    assert first.real_histogram.sum() == first.fake_histogram.sum() == 6 * B
    centres = (np.arange(50) + 0.5) / 50
    assert (first.fake_histogram * centres).sum() / (6 * B) == pytest.approx(first.metrics["prob/fake"], abs=0.01)


def test_samples_are_drawn_from_one_z_and_change_nothing():
    often, rarely = make(), make()
    often._sample_every = 1
    a, b = run(often), run(rarely)
    assert np.array_equal(losses(a), losses(b))
    assert of(SamplesDrawn, a)[0].samples.shape == (9, 1, 4, 4)
    assert of(SamplesDrawn, a)[0].samples.dtype == torch.uint8
    assert torch.equal(of(SamplesDrawn, a)[-1].samples, of(SamplesDrawn, b)[-1].samples)


def test_results_do_not_depend_on_the_window(monkeypatch):
    a = make()
    first = run(a)
    monkeypatch.setattr(trainer_module, "WINDOW", 2)
    b = make()
    second = run(b)
    assert np.array_equal(losses(first), losses(second))
    for x, y in zip(weights(a), weights(b), strict=True):
        assert torch.equal(x, y)
    for x, y in zip(of(EpochFinished, first), of(EpochFinished, second), strict=True):
        assert np.array_equal(x.fake_histogram, y.fake_histogram)
        assert x.metrics["prob/real"] == y.metrics["prob/real"]


def copied(state):
    """As if written to disk and read again."""
    import io

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("stop_at", [2, 12, 15])
def test_a_stopped_run_continues_bit_for_bit(monkeypatch, stop_at, ema):
    monkeypatch.setattr(trainer_module, "WINDOW", 1)
    whole = make(ema=ema)
    expected = run(whole)

    first = make(ema=ema)
    before = []
    for _, event in first.events():
        before.append(event)
        if isinstance(event, StepsFinished) and event.step == stop_at:
            first.request_stop()
    assert isinstance(before[-1], Stopped)
    state = copied(of(CheckpointDue, before)[-1].state)
    assert state["step"] == stop_at

    second = make(seed=0, ema=ema)
    torch.manual_seed(99)
    second.load(state)
    after = run(second)
    assert np.array_equal(np.concatenate((losses(before), losses(after))), losses(expected))
    for x, y in zip(weights(second), weights(whole), strict=True):
        assert torch.equal(x, y)
    merged = of(EpochFinished, before) + of(EpochFinished, after)
    for x, y in zip(merged, of(EpochFinished, expected), strict=True):
        assert (x.step, x.epoch) == (y.step, y.epoch)
        assert np.array_equal(x.real_histogram, y.real_histogram)
        assert {k: v for k, v in x.metrics.items() if "speed" not in k} == {
            k: v for k, v in y.metrics.items() if "speed" not in k
        }


def test_a_finished_run_goes_on_to_more_epochs_as_if_it_had_been_asked_for_them():
    whole = make(epochs=6)
    run(whole)
    first = make(epochs=4)
    state = copied(of(CheckpointDue, run(first))[-1].state)
    second = make(epochs=6)
    second.load(state)
    run(second)
    for x, y in zip(weights(second), weights(whole), strict=True):
        assert torch.equal(x, y)


def test_seeds_differ_and_repeat():
    assert np.array_equal(losses(run(make(seed=1))), losses(run(make(seed=1))))
    assert not np.array_equal(losses(run(make(seed=1))), losses(run(make(seed=2))))


def test_a_loss_that_is_not_finite_ends_the_run_with_its_step():
    trainer = make(lr=1e12)
    events = run(trainer)
    last = events[-1]
    assert isinstance(last, Diverged)
    assert last.step == len(losses(events)) + 1 > 1
    assert f"at step {last.step}" in last.reason
    assert [e.step for e in of(CheckpointDue, events)] == [0]
    assert np.isfinite(losses(events)).all()


def test_a_weight_that_is_not_finite_is_never_checkpointed():
    trainer = make()
    events = []
    for _, event in trainer.events():
        events.append(event)
        if isinstance(event, EpochFinished) and event.epoch == 4:
            with torch.no_grad():
                trainer.generator().layers[0].bias[0] = float("inf")
    assert isinstance(events[-1], Diverged)
    assert "generator.layers.0.bias" in events[-1].reason
    assert [e.epoch for e in of(CheckpointDue, events)] == [0, 2]


def test_several_discriminator_steps_share_an_epoch_s_data():
    trainer = make(discriminator_steps=3)
    events = run(trainer)
    assert trainer.length.total_steps == 8  # ceil(4 * 45 / 24)
    assert [e.epoch for e in of(EpochFinished, events)] == [1, 2, 3, 4]


def test_an_epoch_shorter_than_a_step():
    events = run(make(batch_size=40, discriminator_steps=3, epochs=6))
    assert [(e.step, e.epoch) for e in of(EpochFinished, events)] == [(1, 2), (2, 5), (3, 6)]
