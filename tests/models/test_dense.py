from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from gan_experiments.models.dense import DenseParameter, dense_stack

SLOPE = 0.2


def make(dtype=torch.float64, sizes=(5, 7, 4, 2), batch=6):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    weights = [DenseParameter(draw(b, a)) for a, b in pairwise(sizes)]
    biases = [DenseParameter(draw(b)) for b in sizes[1:]]
    masks = [(draw(batch, b) > 0).to(dtype) / 0.5 for b in sizes[1:-1]]
    return draw(batch, sizes[0]).requires_grad_(), weights, biases, masks


def layer_by_layer(x, weights, biases, masks):
    for weight, bias, mask in zip(weights[:-1], biases[:-1], masks, strict=True):
        x = F.leaky_relu(F.linear(x, weight, bias), SLOPE) * mask
    return F.linear(x, weights[-1], biases[-1])


def test_equals_the_layers_one_by_one_with_every_gradient():
    x, weights, biases, masks = make()
    inputs = [x, *weights, *biases]
    ours, theirs = dense_stack(x, weights, biases, SLOPE, masks), layer_by_layer(x, weights, biases, masks)
    torch.testing.assert_close(ours, theirs)
    g = torch.randn(ours.shape, dtype=ours.dtype, generator=torch.Generator().manual_seed(1))
    for mine, reference in zip(
        torch.autograd.grad(ours, inputs, g), torch.autograd.grad(theirs, inputs, g), strict=True
    ):
        torch.testing.assert_close(mine, reference)


@pytest.mark.parametrize("slope", [0.2, 0.0, -0.3])
def test_first_and_second_derivatives_match_finite_differences(slope):
    x, weights, biases, masks = make(sizes=(3, 4, 2), batch=2)

    def function(x, *parameters):
        return dense_stack(x, parameters[:2], parameters[2:], slope, masks)

    assert torch.autograd.gradcheck(function, (x, *weights, *biases))
    assert torch.autograd.gradgradcheck(function, (x, *weights, *biases))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("slope", [0.2, torch.tensor(-0.3, dtype=torch.float64)])
def test_the_input_s_gradient_can_be_differentiated(slope, masked):
    x, weights, biases, masks = make()
    inputs = [*weights, *biases]
    ours = dense_stack(x, weights, biases, slope, masks if masked else None)
    h = x
    for weight, bias, mask in zip(weights[:-1], biases[:-1], masks, strict=True):
        h = h @ weight.T + bias
        h = torch.where(h > 0, h, h * slope) * (mask if masked else 1)
    literal = h @ weights[-1].T + biases[-1]
    values = []
    for y in (ours, literal):
        (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        norm = gradient.square().sum()
        values += [(norm, *torch.autograd.grad(norm, inputs, materialize_grads=True, allow_unused=True))]
    for mine, reference in zip(*values, strict=True):
        torch.testing.assert_close(mine, reference)


def test_constant_rows_add_nothing_to_the_gradients():
    x, weights, biases, masks = make()
    x = x.detach()
    whole = dense_stack(x, weights, biases, SLOPE, masks, constant_rows=2)
    part = layer_by_layer(x[2:], weights, biases, [mask[2:] for mask in masks])
    torch.testing.assert_close(whole[2:], part)
    inputs = [*weights, *biases]
    for mine, reference in zip(
        torch.autograd.grad(whole.sum(), inputs), torch.autograd.grad(part.sum(), inputs), strict=True
    ):
        torch.testing.assert_close(mine, reference)


def test_a_gradient_target_takes_one_use_and_autograd_the_others():
    x, weights, biases, masks = make()
    reference = torch.autograd.grad(layer_by_layer(x, weights, biases, masks).sum(), weights[0])[0]
    target = torch.empty_like(weights[0])
    weights[0].gradient_target = target
    twice = dense_stack(x, weights, biases, SLOPE, masks) + 2 * dense_stack(x, weights, biases, SLOPE, masks)
    (further,) = torch.autograd.grad(twice.sum(), weights[0])
    torch.testing.assert_close(target + further, 3 * reference)

    weights[0].gradient_target = target
    y = dense_stack(x, weights, biases, SLOPE, masks)
    assert torch.autograd.grad(y.sum(), weights[0], allow_unused=True) == (None,)
    torch.testing.assert_close(target, reference)


def test_a_copy_in_low_precision_is_taken_where_autocast_wants_that():
    x, weights, biases, masks = make(torch.float32)
    expected = dense_stack(x, weights, biases, SLOPE, masks)
    for parameter in (*weights, *biases):
        parameter.low_precision = torch.zeros_like(parameter, dtype=torch.bfloat16)
    torch.testing.assert_close(dense_stack(x, weights, biases, SLOPE, masks), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert not dense_stack(x, weights, biases, SLOPE, masks).any()


def test_only_gradients_that_are_asked_for_are_computed():
    x, weights, biases, masks = make()
    for parameter in (*weights, *biases):
        parameter.requires_grad_(False)
    y = dense_stack(x, weights, biases, SLOPE, masks)
    torch.testing.assert_close(
        torch.autograd.grad(y.sum(), x)[0], torch.autograd.grad(layer_by_layer(x, weights, biases, masks).sum(), x)[0]
    )


def test_autocast_computes_in_bfloat16_and_keeps_float32_gradients():
    x, weights, biases, masks = make(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = dense_stack(x, weights, biases, SLOPE, masks)
    assert y.dtype == torch.bfloat16
    gradients = torch.autograd.grad(y.float().sum(), weights)
    references = torch.autograd.grad(layer_by_layer(x, weights, biases, masks).sum(), weights)
    for mine, reference in zip(gradients, references, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, reference, rtol=0.05, atol=0.2)
