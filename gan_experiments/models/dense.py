"""A stack of dense layers as one node of autograd.

One step of a GAN of the article's size spends as long on bookkeeping as on arithmetic when every linear layer,
activation and dropout is an operation of its own. This function runs the whole stack, keeps only what its
derivative needs, computes only the gradients that are asked for, and writes them where they are wanted: a
parameter may carry a tensor of its shape as ``gradient_target``, which the next derivative fills and returns
instead of a new tensor. A target serves once, so that two uses of a parameter in one graph still add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_leaky_relu_backward = torch.ops.aten.leaky_relu_backward


def dense_stack(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    negative_slope: float,
    masks: Sequence[Tensor | None] | None = None,
    constant_rows: int = 0,
) -> Tensor:
    """Linear layers with LeakyReLU and a multiplicative mask between them, none of either after the last.

    ``h_i = LeakyReLU(h_{i-1} W_i^T + b_i) * m_i``, and ``y = h_{n-1} W_n^T + b_n``. Differentiable twice.

    Args:
        x: Input ``[B, in]``.
        weights: ``n`` matrices ``[out_i, in_i]``.
        biases: ``n`` vectors ``[out_i]``.
        negative_slope: LeakyReLU's slope for negative inputs.
        masks: ``n - 1`` multipliers ``[B, out_i]`` or None, for dropout; None for none at all.
        constant_rows: Leading rows of the batch that no derivative is wanted of, and that cost none; ``x`` then
            needs no gradient itself.

    Returns:
        ``[B, out_n]``, in the autocast type where autocast is on.
    """
    if masks is None:
        masks = [None] * (len(weights) - 1)
    dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
    with torch.autocast(x.device.type, enabled=False):
        return _DenseStack.apply(
            negative_slope, dtype, tuple(masks), constant_rows, len(weights), x, *weights, *biases
        )


def _composed(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], slope: float, masks: Any) -> Tensor:
    """The same function as ordinary differentiable operations."""
    for weight, bias, mask in zip(weights[:-1], biases[:-1], masks, strict=True):
        x = F.leaky_relu(F.linear(x, weight, bias), slope)
        x = x if mask is None else x * mask
    return F.linear(x, weights[-1], biases[-1])


class _DenseStack(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        slope: float,
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
        inputs, before = [x.to(dtype)], []
        for weight, bias, mask in zip(weights[:-1], biases[:-1], ctx.masks, strict=True):
            before.append(torch.addmm(bias, inputs[-1], weight.t()))
            activation = F.leaky_relu(before[-1], slope)
            inputs.append(activation if mask is None else activation.mul_(mask))
        ctx.inputs, ctx.before, ctx.weights = inputs, before, weights
        return torch.addmm(biases[-1], inputs[-1], weights[-1].t())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        layers, rows = ctx.layers, slice(ctx.constant_rows, None)
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
                of_biases[i] = torch.sum(gradient, 0, out=_take_target(ctx.parameters[layers + i]))
            if i:
                gradient = torch.mm(gradient, ctx.weights[i])
                mask = masks[i - 1]
                if mask is not None:
                    gradient.mul_(mask)
                gradient = _leaky_relu_backward(gradient, ctx.before[i - 1][rows], ctx.slope, False)
            elif needs_x:
                of_x = torch.mm(gradient, ctx.weights[0])
        return None, None, None, None, None, of_x, *of_weights, *of_biases


def _weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    target = _take_target(weight)
    if gradient.dtype == target.dtype:
        return torch.mm(gradient.t(), x, out=target)
    return target.copy_(torch.mm(gradient.t(), x))


def _take_target(parameter: Tensor) -> Tensor:
    target = getattr(parameter, "gradient_target", None)
    if target is None:
        return torch.empty_like(parameter, requires_grad=False)
    parameter.gradient_target = None
    return target
