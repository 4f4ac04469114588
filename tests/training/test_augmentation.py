"""Augmentation: what each part does to images, and where the step applies it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_experiments.data.batch import Batch
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.objectives import Relativistic
from gan_experiments.penalties import R1, R1R2, LeCam
from gan_experiments.training.augmentation_term import AugmentationTerm
from gan_experiments.training.augmentations.ada import Ada
from gan_experiments.training.augmentations.augmentation import Augmentation
from gan_experiments.training.augmentations.diffaugment import DiffAugment
from gan_experiments.training.augmentations.flip import Flip
from gan_experiments.training.augmentations.transforms import cut_out, resampled, saturated, shifts
from gan_experiments.training.counter_rng import step_keys
from gan_experiments.training.events import EpochFinished
from gan_experiments.training.member import Member
from gan_experiments.training.step import AdversarialStep
from gan_experiments.training.trainer import Trainer
from tests.support.steps import BATCH, CPU, DEVICES, SAMPLES, SHAPE, assert_alike, member, steps

COLOUR = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def diffaugment(probability: float = 1.0, **sizes: float) -> DiffAugment:
    nothing = dict.fromkeys(("brightness", "saturation", "contrast", "translation", "cutout"), 0.0)
    return DiffAugment("d", probability, **(nothing | sizes))


def ada(**values: float) -> Ada:
    usual = {"target": 0.6, "speed": 400, "interval": 4, "strength": 0.0, "limit": 0.8, "flip": 1.0}
    sizes = {"translation": 0.125, "scale": 0.2, "aspect": 0.2, "brightness": 0.2, "contrast": 0.5}
    return Ada("a", **(usual | sizes | {"saturation": 1.0, "cutout": 0.5} | values))  # type: ignore[arg-type]


def numbers(augmentation: Augmentation, count: int = 6) -> Tensor:
    width = augmentation.uniforms((3, 8, 8))
    return torch.rand(count, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_images_move_by_whole_pixels_and_grey_moves_in() -> None:
    one, moved = torch.ones(6, dtype=torch.float64), torch.tensor([2.0, 0, -1, 0, 0, 3], dtype=torch.float64)
    down = resampled(COLOUR, moved, 0 * one, one, one)
    torch.testing.assert_close(down[0, :, 2:], COLOUR[0, :, :-2])
    assert not down[0, :, :2].any()
    assert torch.equal(down[1], COLOUR[1])
    torch.testing.assert_close(down[2, :, :-1], COLOUR[2, :, 1:])
    across = resampled(COLOUR.mT, 0 * one, moved, one, one).mT
    torch.testing.assert_close(across, down)


def test_every_shift_is_equally_likely() -> None:
    u = (torch.arange(900) + 0.5) / 900
    values, counts = shifts(u, 8, 0.125 * 4).unique(return_counts=True)
    assert values.tolist() == list(range(-4, 5))
    assert counts.tolist() == [100] * 9


def test_an_enlarged_image_keeps_its_centre() -> None:
    ramp = torch.linspace(-1, 1, 9, dtype=torch.float64).expand(1, 1, 9, 9)
    none, twice = torch.zeros(1), torch.full((1,), 2.0)
    torch.testing.assert_close(resampled(ramp, none, none, twice, twice), ramp / 2)


def test_a_hole_has_its_size_wherever_it_fits() -> None:
    for place in (0.4, 0.5, 0.6):
        at = torch.full((6,), place, dtype=torch.float64)
        hole = cut_out(COLOUR, at, at, 0.5) == 0
        assert hole.sum((1, 2, 3)).tolist() == [3 * 16] * 6
    assert torch.equal(cut_out(COLOUR, at, at, 0.0), COLOUR)


def test_grey_has_no_saturation() -> None:
    factor = torch.linspace(0, 2, 6, dtype=torch.float64)
    grey = COLOUR[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(saturated(grey, factor), grey)
    assert not saturated(COLOUR, factor)[0].std(0).any()  # 0: none of its colour is left


def test_colours_change_as_the_equations_say() -> None:
    brighter, richer, harder = diffaugment(brightness=0.5), diffaugment(saturation=1.0), diffaugment(contrast=0.5)
    u = numbers(brighter)
    _, b, s, c, *_ = (2 * u - 1).T.view(8, 6, 1, 1, 1)
    grey, mean = COLOUR.mean(1, keepdim=True), COLOUR.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(brighter.apply(COLOUR, u), COLOUR + 0.5 * b)
    torch.testing.assert_close(richer.apply(COLOUR, u), grey + (1 + s) * (COLOUR - grey))
    torch.testing.assert_close(harder.apply(COLOUR, u), mean + (1 + 0.5 * c) * (COLOUR - mean))


def test_a_probability_is_a_share_of_the_images() -> None:
    x, u = COLOUR[:1].expand(4000, -1, -1, -1), numbers(Flip("f", 0.3), 4000)
    changed = (Flip("f", 0.3).apply(x, u) != x).flatten(1).any(1)
    assert changed.double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(Flip("f", 1.0).apply(COLOUR, numbers(Flip("f", 1.0))), COLOUR.flip(-1))
    every = {"brightness": 0.5, "saturation": 1.0, "contrast": 0.5, "translation": 0.2, "cutout": 0.5}
    never = diffaugment(0.0, **every)
    assert torch.equal(never.apply(COLOUR, numbers(never)), COLOUR)
    weak = ada(strength=0.0)
    torch.testing.assert_close(weak.apply(COLOUR, numbers(weak)), COLOUR)


@pytest.mark.parametrize(
    "augmentation",
    [Flip("f", 0.5), diffaugment(brightness=0.5, contrast=0.5, translation=0.2, cutout=0.5), ada(strength=0.8)],
)
def test_it_can_be_differentiated_twice(augmentation: Augmentation) -> None:
    u = numbers(augmentation, 2)

    def squared(x: Tensor) -> Tensor:
        return augmentation.apply(x, u).square().sum()

    assert torch.autograd.gradgradcheck(squared, COLOUR[:2, :, :3, :3].clone().requires_grad_())


class Stamp(Augmentation):
    """Writes one of its numbers, which no image can have, into the first pixel."""

    def uniforms(self, sample_shape: object) -> int:
        return 1

    def apply(self, x: Tensor, uniform: Tensor) -> Tensor:
        first = torch.zeros_like(x)
        first[..., 0, 0] = 1
        return x * (1 - first) + first * (2 + uniform.view(-1, 1, 1, 1))


class Blank(Flip):
    """Leaves nothing of some images."""

    def apply(self, x: Tensor, uniform: Tensor) -> Tensor:
        return x * (uniform[:, 0] >= self.probability).view(-1, 1, 1, 1)


def test_everything_that_d_sees_is_augmented_with_numbers_of_its_own() -> None:
    """Real and generated samples in each of D's updates, where the penalty looks, and both kinds in G's update."""
    own = replace(member("mlp", objective=Relativistic("r"), penalty=R1R2("p", 1.0)), augmentation=Stamp("s"))
    own.train.discriminator_steps = 2
    seen: list[Tensor] = []
    step = AdversarialStep([own], Dataset("d", SAMPLES), SAMPLES)
    own.networks.discriminator.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].detach().clone()))
    step(torch.arange(2 * BATCH).view(2, BATCH), step_keys(0, 0, 1)[0])
    stamps = [x[:, 0, 0, 0] for x in seen]
    assert [len(x) for x in stamps] == [2 * BATCH] * 4 + [BATCH] * 2
    assert all(bool((x >= 2).all()) for x in stamps)
    first, at_first, second, at_second, *of_g = stamps
    assert torch.equal(at_first, first)  # the penalty takes its derivative at the augmented points
    assert torch.equal(at_second, second)
    assert len(torch.cat((first, second, *of_g)).unique()) == 6 * BATCH


def test_g_learns_through_it() -> None:
    """Where a hole leaves nothing of an image, G has nothing to learn from."""

    def gradient(probability: float) -> float:
        own = replace(member("mlp"), augmentation=Blank("b", probability))
        step = AdversarialStep([own], Dataset("d", SAMPLES), SAMPLES)
        step(torch.arange(BATCH).view(1, BATCH), step_keys(0, 0, 1)[0])
        return step.measurements(0)["grad_norm/generator"]

    assert gradient(0.0) > gradient(0.5) > gradient(1.0) == 0


def test_a_run_without_it_draws_the_numbers_that_it_drew_before() -> None:
    def run(augmentation: Augmentation | None) -> list[Tensor]:
        own = member("mlp", penalty=R1("r", 1.0), objective=Relativistic("r"), instance_noise=0.1)
        result = steps("eager", "cpu", [replace(own, augmentation=augmentation)], 8)
        return [result.losses, result.weights]

    every = {"brightness": 0.5, "contrast": 0.5, "translation": 0.2, "cutout": 0.5}
    plain = run(None)
    assert all(map(torch.equal, plain, run(diffaugment(0.0, **every))))
    assert not all(map(torch.equal, plain, run(diffaugment(0.5, **every))))


STRONG = {"brightness": 0.5, "contrast": 0.5, "translation": 0.2, "cutout": 0.5}
STACKS: dict[str, list[tuple[Augmentation, R1 | LeCam | None]]] = {
    "flip": [(Flip("f", p), None) for p in (0.0, 0.5, 1.0)],
    "diffaugment, r1": [
        (diffaugment(), R1("r", 1.0)),
        (diffaugment(**STRONG), R1("r", 0.1)),
        (diffaugment(0.3, cutout=0.2), R1("r", 0.0)),
    ],
    "ada, r1": [
        (ada(), R1("r", 1.0)),
        (ada(strength=0.5, target=-0.5, speed=100), R1("r", 0.1)),
        (ada(interval=3, translation=0.3, limit=0.1), R1("r", 2.0)),
    ],
    "ada, lecam": [
        (ada(), LeCam("l", 0.3, 0.9, 5)),
        (ada(strength=1.0), LeCam("l", 3.0, 0.99, 0)),
        (ada(target=0.0), LeCam("l", 0.0, 0.5, 2)),
    ],
}


@pytest.mark.parametrize("name", STACKS)
def test_every_member_equals_its_solo_run(name: str) -> None:
    def make(k: int) -> Member:
        augmentation, penalty = STACKS[name][k]
        return replace(member("mlp", k), augmentation=augmentation, penalty=penalty)

    together = steps("eager", "cpu", [make(k) for k in range(3)])
    for k in range(3):
        alone = steps("eager", "cpu", [make(k)])
        torch.testing.assert_close(together.losses[:, k], alone.losses, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", STACKS)
def test_a_captured_step_is_an_eager_one(name: str, members: int, device: str) -> None:
    def make() -> list[Member]:
        parts = STACKS[name][:members]
        return [replace(member("mlp", k), augmentation=own, penalty=term) for k, (own, term) in enumerate(parts)]

    assert_alike(steps("graph", device, make()), steps("eager", device, make()))


def followed(augmentation: Ada, logits: list[float], batch: int = 10) -> list[float]:
    """The strength after each update, for D's logits of real samples, all the same."""
    term = AugmentationTerm([augmentation], SHAPE, CPU)
    strengths = []
    for logit in logits:
        term.observe(torch.full((batch,), logit))
        strengths.append(round(term.metrics()["augment/strength"].item(), 6))
    return strengths


def test_ada_s_strength_rises_while_d_is_sure_of_real_samples_and_falls_otherwise() -> None:
    """By the batch times the interval over the speed, every interval (Karras et al., 2020)."""
    slow = ada(speed=400, interval=2)
    assert followed(slow, [3.0, 1.0, 2.0, 5.0, -1.0, 1.0]) == [0.0, 0.05, 0.05, 0.1, 0.1, 0.05]
    assert followed(slow, [-1.0] * 4) == [0.0] * 4  # never below 0
    assert followed(ada(speed=20, interval=1, limit=0.7), [1.0] * 3) == [0.5, 0.7, 0.7]
    assert followed(ada(speed=100, interval=1, target=-0.5), [0.0, -1.0]) == [0.1, 0.0]


def test_ada_s_strength_is_a_metric_and_follows_d() -> None:
    """A large D learns sixteen images by heart; where the target is beyond reach, the strength falls to nothing."""

    def last(**values: float) -> dict[str, float]:
        own = replace(member("mlp", lr=5e-3, epochs=60), augmentation=ada(speed=1000, **values))
        trainer = Trainer([own], Dataset("d", SAMPLES[:16]), device=CPU, samples=4)
        return [event for _, event in trainer.events() if isinstance(event, EpochFinished)][-1].metrics

    sure, unsure = last(target=0.0), last(target=1.0, strength=0.5)
    assert sure["augment/strength"] > 0.1
    assert -1 <= sure["augment/rt"] <= 1
    assert unsure["augment/strength"] == 0


def test_a_checkpoint_without_a_strength_starts_it_at_the_beginning() -> None:
    def make(augmentation: Augmentation | None) -> AdversarialStep:
        return AdversarialStep([replace(member("mlp"), augmentation=augmentation)], Dataset("d", SAMPLES), SAMPLES)

    step = make(ada(strength=0.3))
    step.load(0, make(None).state(0))
    np.testing.assert_allclose(step.state(0)["augmentation"]["strength"], 0.3)


def test_a_mixed_stack_says_why_it_is_none() -> None:
    members = [replace(member("mlp", k), augmentation=a) for k, a in enumerate((None, Flip("f", 0.5)))]
    with pytest.raises(UnstackableError, match="some members have an augmentation and others none"):
        AdversarialStep(members, Dataset("d", SAMPLES), SAMPLES)
    others = [replace(member("mlp", k), augmentation=a) for k, a in enumerate((ada(), Flip("f", 0.5)))]
    with pytest.raises(UnstackableError, match="the augmentations differ: Ada, Flip"):
        AdversarialStep(others, Dataset("d", SAMPLES), SAMPLES)


def test_labels_stay_with_their_images() -> None:
    term = AugmentationTerm([Flip("f", 1.0)], SHAPE, CPU)
    x, y = torch.rand(4, *SHAPE), torch.arange(4)
    real, generated = term([Batch(x, y), Batch(x, y.flip(0))], [torch.zeros(4, 1)] * 2)
    assert torch.equal(real.x, x.flip(-1))
    assert real.y is y
    assert generated.y is not None
    assert torch.equal(generated.y, y.flip(0))
