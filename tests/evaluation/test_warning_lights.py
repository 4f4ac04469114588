"""Warning lights come on where there is trouble, and nowhere else."""

from __future__ import annotations

import pytest

from gan_experiments import objectives
from gan_experiments.configuration.fields import modules_in
from gan_experiments.evaluation.registry import parts_in
from gan_experiments.evaluation.warning_light import WarningLight, WarningLights, meanings


def epoch(real: float = 0.6, fake: float = 0.4, loss: float = 1.0, norm: float = 1.0) -> dict[str, float]:
    return {"prob/real": real, "prob/fake": fake, "loss/generator": loss, "grad_norm/generator": norm}


def lit(epochs: list[dict[str, float]], logits_have_origin: bool = True) -> dict[str, int]:
    lights = WarningLights(logits_have_origin)
    for number, metrics in enumerate(epochs, 1):
        lights.epoch(number * 10, metrics)
    return lights.first


def test_a_healthy_run_has_none() -> None:
    assert lit([epoch(loss=2 - 0.05 * i + 0.02 * (i % 2)) for i in range(30)]) == {}


def test_a_saturated_discriminator() -> None:
    sure = epoch(0.99, 0.01)
    assert lit([epoch(), sure, sure]) == {}
    assert lit([epoch(), sure, sure, sure, sure]) == {"saturated_discriminator": 40}
    assert lit([sure] * 10, logits_have_origin=False) == {}  # a critic's logits may be far apart


def test_a_discriminator_that_overfits() -> None:
    """Judged by differences, so critics have the light too; where nothing is held out, nothing is said."""
    overfits, fits = ({**epoch(), "overfitting/discriminator": value} for value in (0.6, 0.4))
    assert lit([overfits, overfits, fits, overfits, overfits]) == {}
    assert lit([fits, overfits, overfits, overfits, fits]) == {"discriminator_overfits": 40}
    assert lit([overfits] * 3, logits_have_origin=False) == {"discriminator_overfits": 30}
    assert lit([epoch()] * 3) == {}


def test_oscillation_is_not_a_fall() -> None:
    assert lit([epoch(loss=1.0 + 2.0 * (i % 2)) for i in range(8)]) == {"oscillation": 80}
    assert lit([epoch(loss=8.0 / 2**i) for i in range(8)]) == {}
    assert (
        lit([epoch(loss=0.01 * (-1) ** i) for i in range(8)], logits_have_origin=False) == {}
    )  # a critic's has no origin


def test_a_generator_without_a_gradient_has_stopped() -> None:
    assert lit([epoch(norm=2.0), *[epoch(norm=1e-4)] * 3]) == {"generator_stopped": 40}


def test_a_collapse_that_lasts() -> None:
    lights = WarningLights()
    for step, modes in enumerate((1, 3, 5, 8), 1):  # it learns
        assert lights.scores(250 * step, {"eval/modes": modes}, 8) == []
    later = (5, 6, 7, 8)
    assert [lights.scores(250 * step, {"eval/modes": 2}, 8) for step in later] == [[], [], ["mode_collapse"], []]
    assert lights.on == {"mode_collapse"}
    lights.scores(250 * 9, {"eval/modes": 8}, 8)
    assert lights.on == set()
    assert lights.first == {"mode_collapse": 250 * 7}


def test_a_collapse_where_nobody_knows_the_modes() -> None:
    lights = WarningLights()
    for step in (250, 500, 750):
        lights.scores(step, {"eval/coverage": 0.01}, None)
    assert lights.on == {"mode_collapse"}


def lit_at(scores: list[tuple[int, float]], ema: float | None = None, every: int = 281) -> list[int]:
    """The numbers of the scores, from (modes of ten, Fréchet distance), at which the light came on."""
    lights = WarningLights(ema=ema)
    return [
        number
        for number, (modes, distance) in enumerate(scores, 1)
        if lights.scores(number * every, {"eval/modes": modes, "eval/frechet_classifier_distance": distance}, 10)
    ]


def test_a_generator_that_still_learns_has_not_collapsed() -> None:
    beginning = [(1, 987), (1, 942), (1, 865), (1, 793), (2, 675), (4, 522), (7, 384), (8, 287), (9, 211)]
    assert lit_at(beginning) == []  # as a good run was scored, every ten epochs
    assert lit_at([*beginning, *[(2, 900)] * 3]) == [12]  # collapsed after all


def test_a_collapse_from_the_start_is_seen_once_it_has_lasted() -> None:
    assert lit_at([(2, 3030), (2, 3010), (1, 2990)]) == [3]
    assert lit_at([(2, 3030)] * 20, every=35) == [16]  # 525 steps later
    assert lit_at([(2, 3030), (2, float("nan")), (2, float("nan"))]) == [3]


@pytest.mark.parametrize(("ema", "first"), [(None, 3), (0.99, 4), (0.999, 13)])
def test_averaged_weights_are_judged_once_they_are_trained_ones(ema: float | None, first: int) -> None:
    """Of an average with decay 0.99, training's first weights are 5% after 299 steps; with 0.999, after 2995."""
    assert lit_at([(1, 1000.0)] * 20, ema) == [first]


def test_which_objectives_are_critics() -> None:
    declared = {name: getattr(objectives, name).logits_have_origin for name in objectives.__all__}
    assert {name for name, origin in declared.items() if not origin} == {"Wasserstein", "WassersteinGP"}


def test_each_light_is_a_file_that_says_when_it_is_on() -> None:
    assert tuple(meanings()) == modules_in("evaluation/warning_lights")
    assert all(meanings().values())


def test_a_light_needs_no_other_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Light(WarningLight):
        meaning = "the loss is above a thousand"

        def epoch(self, metrics) -> bool:
            return metrics["loss/generator"] > 1000

    monkeypatch.setitem(parts_in("evaluation/warning_lights", WarningLight), "large_loss", Light)
    lights = WarningLights()
    assert [lights.epoch(step, epoch(loss=loss)) for step, loss in enumerate((1, 2000, 1, 2000))] == [
        [],
        ["large_loss"],
        [],
        [],
    ]
    assert lights.scores(4, {}, None) == []
    assert lights.on == {"large_loss"}  # scores say nothing about it
