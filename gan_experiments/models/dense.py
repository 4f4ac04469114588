"""A stack of dense layers as one node of autograd.

One step of a GAN of the article's size spends as long on bookkeeping as on arithmetic when every linear layer,
activation and dropout is an operation of its own. This function runs the whole stack, keeps only what its
derivative needs, computes only the gradients that are asked for, and writes them where they are wanted: a
parameter may carry a tensor of its shape as ``gradient_target``, which the next derivative fills and returns
instead of a new tensor. A target serves once, so that two uses of a parameter in one graph still add up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_leaky_relu_backward = torch.ops.aten.leaky_relu_backward


def dense_stack(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    negative_slope: float | Tensor,
    masks: Sequence[Tensor | None] | None = None,
    constant_rows: int = 0,
) -> Tensor:
    """Linear layers with LeakyReLU and a multiplicative mask between them, none of either after the last.

    ``h_i = LeakyReLU(h_{i-1} W_i^T + b_i) * m_i``, and ``y = h_{n-1} W_n^T + b_n``. Differentiable twice.

    All tensors may have one more dimension in front, the members of a stack: then the products are batched.

    Args:
        x: Input ``[B, in]``.
        weights: ``n`` matrices ``[out_i, in_i]``.
        biases: ``n`` vectors ``[out_i]``.
        negative_slope: LeakyReLU's slope for negative inputs; for a stack, ``[K, 1, 1]``.
        masks: ``n - 1`` multipliers ``[B, out_i]`` or None, for dropout; None for none at all.
        constant_rows: Leading rows of the batch that no derivative is wanted of, and that cost none; ``x`` then
            needs no gradient itself.

    Returns:
        ``[B, out_n]``, in the autocast type where autocast is on.
    """
    if masks is None:
        masks = [None] * (len(weights) - 1)
    if torch.compiler.is_compiling():
        return _composed(x, weights, biases, negative_slope, masks)
    device = x.device.type
    arguments = (tuple(masks), constant_rows, len(weights), x, *weights, *biases)
    if not torch.is_autocast_enabled(device):
        return _DenseStack.apply(negative_slope, x.dtype, *arguments)
    with torch.autocast(device, enabled=False):
        return _DenseStack.apply(negative_slope, torch.get_autocast_dtype(device), *arguments)


def _composed(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], slope: Any, masks: Any) -> Tensor:
    """The same function as ordinary differentiable operations."""
    for weight, bias, mask in zip(weights[:-1], biases[:-1], masks, strict=True):
        x = _linear(x, weight, bias)
        # The slope is locally constant: as a factor without a graph it leaves out second derivatives that are zero.
        x = x * ((x.detach() > 0).to(x.dtype) * (1 - slope) + slope)
        x = x if mask is None else x * mask
    return _linear(x, weights[-1], biases[-1])


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if x.dim() == 2:
        return torch.addmm(bias, x, weight.t())
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


class _DenseStack(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        slope: float | Tensor,
        dtype: torch.dtype,
        masks: tuple[Tensor | None, ...],
        constant_rows: int,
        layers: int,
        x: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.slope, ctx.dtype, ctx.constant_rows, ctx.layers = slope, dtype, constant_rows, layers
        ctx.save_for_backward(x, *parameters)
        ctx.parameters = parameters
        ctx.masks = tuple(None if mask is None else mask.to(dtype) for mask in masks)
        weights = [weight.to(dtype) for weight in parameters[:layers]]
        biases = [bias.to(dtype) for bias in parameters[layers:]]
        inputs, derivatives = [x.to(dtype)], []
        for weight, bias, mask in zip(weights[:-1], biases[:-1], ctx.masks, strict=True):
            activation, derivative = _activate(_linear(inputs[-1], weight, bias), slope)
            inputs.append(activation if mask is None else activation.mul_(mask))
            derivatives.append(derivative)
        ctx.inputs, ctx.derivatives, ctx.weights = inputs, derivatives, weights
        return _linear(inputs[-1], weights[-1], biases[-1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        layers = ctx.layers
        rows = (..., slice(ctx.constant_rows, None), slice(None))
        gradient = gradients[0][rows]
        masks = [None if mask is None else mask[rows] for mask in ctx.masks]
        _, _, _, _, _, *needs = ctx.needs_input_grad
        if torch.is_grad_enabled():
            # Somebody wants to differentiate this gradient again (a gradient penalty): compose it of
            # operations that autograd can follow.
            x, *parameters = ctx.saved_tensors
            with torch.enable_grad():
                y = _composed(x[rows], parameters[:layers], parameters[layers:], ctx.slope, masks)
            wanted = [t for t, need in zip((x, *parameters), needs, strict=True) if need]
            found = iter(torch.autograd.grad(y, wanted, gradient, create_graph=True))
            return (None,) * 5 + tuple(next(found) if need else None for need in needs)
        needs_x, *needs = needs
        of_weights: list[Tensor | None] = [None] * layers
        of_biases: list[Tensor | None] = [None] * layers
        of_x: Tensor | None = None
        gradient = gradient.to(ctx.dtype)
        for i in reversed(range(layers)):
            if needs[i]:
                of_weights[i] = _weight_gradient(gradient, ctx.inputs[i][rows], ctx.parameters[i])
            if needs[layers + i]:
                of_biases[i] = torch.sum(gradient, -2, out=_take_target(ctx.parameters[layers + i]))
            if i:
                gradient = torch.matmul(gradient, ctx.weights[i])
                mask = masks[i - 1]
                if mask is not None:
                    gradient.mul_(mask)
                gradient = ctx.derivatives[i - 1](gradient, rows)
            elif needs_x:
                of_x = torch.matmul(gradient, ctx.weights[0])
        return None, None, None, None, None, of_x, *of_weights, *of_biases


def _activate(before: Tensor, slope: float | Tensor) -> tuple[Tensor, Callable[[Tensor, Any], Tensor]]:
    """LeakyReLU, and what turns a gradient of its output into one of (some rows of) its input."""
    if isinstance(slope, float):
        return F.leaky_relu(before, slope), lambda g, rows: _leaky_relu_backward(g, before[rows], slope, False)
    # 1 where the input is positive, else the slope. The comparison writes floats at once: on the CPU a choice
    # between two tensors by a bool costs ten times as much.
    factor = torch.empty_like(before)
    torch.gt(before, 0, out=factor).mul_(1 - slope).add_(slope)
    return before.mul_(factor), lambda g, rows: g.mul_(factor[rows])


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    target = _take_target(weight)
    if gradient.dtype == target.dtype:
        return torch.matmul(gradient.mT, x, out=target)
    return target.copy_(torch.matmul(gradient.mT, x))


def _take_target(parameter: Tensor) -> Tensor:
    target = vars(parameter).pop("gradient_target", None)
    return torch.empty_like(parameter, requires_grad=False) if target is None else target
