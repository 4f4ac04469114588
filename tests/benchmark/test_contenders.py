"""Every contender trains the article's recipe."""

import math

import pytest
import torch
from torch import nn

from gan_experiments.benchmark import rivals
from gan_experiments.benchmark.lightning_rival import lightning
from gan_experiments.benchmark.ours import ours
from gan_experiments.benchmark.recipe import Pictures, Recipe
from gan_experiments.benchmark.timing import Block
from tests.support.configurations import plain


def kinds(network):
    return [type(module).__name__ for module in network]


def test_the_rivals_networks_are_the_article_s():
    generator, discriminator = Recipe.on("digits", "data", torch.device("cpu")).networks(sigmoid=True)
    between = ["Linear", "LeakyReLU"]
    assert kinds(generator) == [*between * 3, "Linear", "Tanh", "Unflatten"]
    assert kinds(discriminator) == ["Flatten", *[*between, "Dropout"] * 3, "Linear", "Sigmoid"]
    sizes = [(m.in_features, m.out_features) for n in (generator, discriminator) for m in n if type(m) is nn.Linear]
    assert sizes == [
        (100, 256), (256, 512), (512, 1024), (1024, 784), (784, 1024), (1024, 512), (512, 256), (256, 1),
    ]  # fmt: skip
    assert {m.negative_slope for m in generator if type(m) is nn.LeakyReLU} == {0.2}
    assert {m.p for m in discriminator if type(m) is nn.Dropout} == {0.3}


def test_pictures_are_those_that_the_project_sees(recipe):
    """One by one through PIL and torchvision's transforms, or all at once: the same numbers."""
    images, labels = next(iter(recipe.loader()))
    every = recipe.dataset.normalise(recipe.dataset.samples)
    assert images.shape == (8, 1, 6, 6)
    for image, label in zip(images, labels, strict=True):
        found = [i for i, candidate in enumerate(every) if torch.allclose(image, candidate, atol=1e-6)]
        assert [int(recipe.dataset.labels[i]) for i in found] == [int(label)]
    assert len(Pictures(recipe.dataset, None)) == 20


@pytest.mark.parametrize(
    ("rival", "sigmoid"),
    [
        (rivals.article, True),
        (lambda *arguments: rivals.by_hand(*arguments, passes=2), False),
        (lambda *arguments: rivals.by_hand(*arguments, passes=1), False),
    ],
    ids=["article", "two passes", "one pass"],
)
def test_rivals_train_both_networks(recipe, rival, sigmoid):
    networks = recipe.networks(sigmoid)
    before = [p.clone() for network in networks for p in network.parameters()]
    steps = rival(recipe, *networks)
    taken = [next(steps) for _ in range(4)]  # further than an epoch
    after = [p for network in networks for p in network.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(t.steps == 1 and math.isfinite(float(t.discriminator_loss)) for t in taken)
    # An untrained D says 1/2 of everything.
    assert float(taken[0].discriminator_loss) == pytest.approx(2 * math.log(2), abs=0.2)
    assert float(taken[0].generator_loss) == pytest.approx(math.log(2), abs=0.2)


def test_lightning_takes_as_many_steps_as_asked(recipe):
    pytest.importorskip("lightning", reason="the extra `benchmark` is not installed")
    generator, discriminator = recipe.networks(sigmoid=True)
    before = [p.clone() for p in (*generator.parameters(), *discriminator.parameters())]
    contend = lightning(recipe, generator, discriminator)
    calls = []
    discriminator.register_forward_hook(lambda *_: calls.append(1))
    block = contend(4)
    assert isinstance(block, Block)
    assert block.steps == 4
    assert block.seconds > 0
    assert len(calls) == 3 * (4 + 1)  # D sees three batches a step; the first step is not looked at
    after = [*generator.parameters(), *discriminator.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_ours_counts_the_steps_of_each_window(recipe):
    units = ours(recipe, range(1), "eager", "fp32")
    assert [next(units).steps for _ in range(4)] == [3, 2, 3, 2]  # 20 images in batches of 8


def test_a_stack_trains_each_seed_as_it_would_alone(recipe):
    stacked = ours(recipe, range(3), "auto", "fp32")
    alone = ours(recipe, range(2, 3), "auto", "fp32")
    for _ in range(3):
        mine, theirs = next(stacked), next(alone)
        assert mine.steps == theirs.steps
        assert mine.generator_loss == pytest.approx(theirs.generator_loss, rel=1e-4)


def test_smaller_recipes_are_those_that_a_person_composes():
    """Their values are written down beside the article's; ``conf/`` has the same ones."""
    recipes = Recipe.on("digits", "data", torch.device("cpu")).smaller()
    composed = [("model=mlp_small", "train=article"), ("model=mlp_small", "train=minute"), ()]
    for recipe, overrides in zip(recipes.values(), composed, strict=True):
        values = plain(*overrides)
        model, train = vars(recipe.model), vars(recipe.train)
        differing = {key for key in model if model[key] != values["model"][key]}
        assert differing <= {"name"}
        how_long = {"epochs", "checkpoint_every", "keep_checkpoints", "engine", "precision"}
        assert {key for key in train if train[key] != values["train"][key]} <= how_long
