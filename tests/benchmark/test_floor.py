"""The count is what a plain step computes."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from gan_experiments.benchmark.floor import Product, StepCount, bare_step, streaming
from gan_experiments.benchmark.recipe import Recipe


def plain_step(recipe):
    """One update of each player by autograd, nothing computed that nobody needs."""
    generator, discriminator = recipe.networks(sigmoid=False)
    batch = recipe.train.batch_size
    real = recipe.dataset.normalise(recipe.dataset.samples[:batch])
    z = torch.randn(2, batch, recipe.model.latent_dim)
    with torch.no_grad():
        fake = generator(z[0])
    of_real, of_fake = discriminator(torch.cat((real, fake))).split(batch)
    (F.softplus(-of_real).mean() + F.softplus(of_fake).mean()).backward()
    discriminator.requires_grad_(False)
    F.softplus(-discriminator(generator(z[1]))).mean().backward()
    return generator, discriminator


@pytest.mark.parametrize("small", [True, False], ids=["small", "article"])
def test_flops_are_those_that_torch_counts(recipe, small):
    recipe = recipe if small else Recipe.on("digits", "data", torch.device("cpu"))
    count = StepCount.of_recipe(recipe)
    with FlopCounterMode(display=False) as counter:
        networks = plain_step(recipe)
    assert count.flops == counter.get_total_flops()
    assert count.parameters == sum(p.numel() for network in networks for p in network.parameters())


def test_the_article_s_step():
    count = StepCount.of_recipe(Recipe.on("digits", "data", torch.device("cpu")))
    assert count.flops == 104 * (4 * 1_483_776 - 25_600 + 8 * 1_458_432 - 2 * 802_816)
    # Seven float32 for each of G's and D's weights and biases.
    assert count.adam_bytes == 28 * (1_483_776 + 2_576 + 1_458_432 + 1_793)


def test_the_floor_is_each_product_s_dearer_side_and_adam():
    product = Product(2, 3, 5)
    count = StepCount((product,), parameters=10)
    assert (product.flops, product.elements) == (60, 6 + 15 + 10)
    assert count.seconds(per_flop=1.0, per_byte=0.0) == 60
    assert count.seconds(per_flop=0.0, per_byte=1.0) == 31 * 4 + 280
    assert count.seconds(per_flop=0.0, per_byte=1.0, element_bytes=2) == 31 * 2 + 280
    assert count.seconds(per_flop=10.0, per_byte=1.0) == 600 + 280


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_bare_step_computes_what_is_counted(recipe, precision):
    count = StepCount.of_recipe(recipe)
    step = bare_step(count, recipe.device, precision)
    with FlopCounterMode(display=False) as counter:
        next(step)
    assert counter.get_total_flops() == count.flops


def test_a_pass_in_place_moves_every_byte_twice():
    units, moved = streaming(torch.device("cpu"), 101)
    next(units)
    assert moved == 200
