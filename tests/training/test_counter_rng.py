import math

import numpy as np
import pytest
import torch

from gan_experiments.training.counter_rng import FieldNoise, MaskSpec, StepNoise, fixed_latents, step_keys

CPU = torch.device("cpu")


def draw(seed=0, step=0, p=0.3):
    return StepNoise(100, 100, [MaskSpec(100, (500,), p)], CPU).draw(step_keys(seed, step, 1)[0])


def many_latents(steps=50):
    return torch.stack([draw(step=step)[0].flatten() for step in range(steps)])


def test_noise_is_a_function_of_seed_and_step_alone():
    assert torch.equal(draw(3, 7)[0], draw(3, 7)[0])
    assert not torch.equal(draw(3, 7)[0], draw(3, 8)[0])
    assert not torch.equal(draw(3, 7)[0], draw(4, 7)[0])
    assert torch.equal(step_keys(5, 0, 10)[4:6], step_keys(5, 4, 2))


def test_latents_are_standard_normal():
    z = many_latents().numpy().ravel()
    n = z.size
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs(z.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)
    # Kolmogorov's statistic at the 0.1 % level
    cdf = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in np.sort(z)[::50]])
    assert np.abs(cdf - np.arange(0, n, 50) / n).max() < 1.95 / math.sqrt(n) + 50 / n


def test_neither_steps_nor_neighbours_are_correlated():
    z = many_latents()
    n = z.shape[1]
    assert (torch.corrcoef(z) - torch.eye(len(z))).abs().max() < 5 / math.sqrt(n)
    for lag in (1, 2, 64, 100, n // 2):
        first, second = z[:, :-lag].flatten(), z[:, lag:].flatten()
        assert abs((first * second).mean()) < 4 / math.sqrt(first.numel())


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_masks_drop_the_given_share_and_scale_the_rest(p):
    mask = torch.stack([draw(step=step, p=p)[1][0] for step in range(20)])
    dropped = (mask == 0).float()
    assert abs(dropped.mean() - p) < 4 * math.sqrt(p * (1 - p) / mask.numel())
    assert torch.unique(mask).tolist() == pytest.approx([0, 1 / (1 - p)])
    columns = dropped.mean((0, 1))
    assert (columns - p).abs().max() < 5 * math.sqrt(p * (1 - p) / 2000)


def test_masks_of_consecutive_steps_are_independent():
    a, b = ((draw(step=step)[1][0] == 0).float() - 0.3 for step in (10, 11))
    assert abs((a * b).mean()) < 4 * 0.21 / math.sqrt(a.numel())


def test_sample_latents_are_shared_by_all_runs():
    torch.manual_seed(0)
    first = fixed_latents(64, 100)
    torch.manual_seed(1)
    assert torch.equal(first, fixed_latents(64, 100))
    assert first.shape == (64, 100)


def test_a_member_of_a_stack_draws_what_it_draws_alone_whatever_its_neighbours_widths():
    own = [(7, 5, 0.3), (12, 9, 0.1), (4, 2, 0.0)]  # latent dimension, width of a dropout site, its probability
    keys = torch.cat([step_keys(seed, 3, 1) for seed in (5, 6, 5)])
    spec = MaskSpec(8, (9,), [p for _, _, p in own])
    latents, (mask,) = StepNoise(8, 12, [spec], CPU, latent_dims=[d for d, _, _ in own]).draw(keys)
    for k, (latent_dim, width, p) in enumerate(own):
        alone, (alone_mask,) = StepNoise(8, latent_dim, [MaskSpec(8, (width,), p)], CPU).draw(keys[k])
        assert torch.equal(latents[k, :, :latent_dim], alone)
        assert not latents[k, :, latent_dim:].any()
        assert torch.equal(mask[k, :, :width], alone_mask)


def test_no_two_elements_of_a_step_share_a_counter():
    noise = StepNoise(16, 6, [MaskSpec(32, (10,), 0.3), MaskSpec(16, (3, 5), 0.2)], CPU)
    fields = FieldNoise((32, 36), [(16, 1), (16, 37), (0, 0)], CPU)
    counters = torch.cat((noise._words._counter, fields._words._counter))
    assert len(torch.unique(counters)) == len(counters)
