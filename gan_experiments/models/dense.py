"""A stack of dense layers as one node of autograd.

One step of a GAN of the article's size spends as long on bookkeeping as on arithmetic when every linear layer,
activation and dropout is an operation of its own. This function runs the whole stack, keeps only the tensors that
its derivative needs, and computes only the gradients that are asked for.

Parameters that are ``DenseParameter`` can have their gradients written to a given place, and a copy in low precision
that is used in their stead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_HAS_TILES = torch.cpu._is_amx_tile_supported()
_leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input


class DenseParameter(nn.Parameter):
    """A parameter of ``dense_stack`` with two slots for its trainer.

    Attributes:
        gradient_target: Where the next gradient is written instead of being returned. The first use consumes it and
            later uses return normally, so that the trainer can add up what two uses contribute.
        low_precision: A copy in autocast's type, used instead of converting the parameter anew at every use.
    """

    gradient_target: Tensor | None = None
    low_precision: Tensor | None = None

    def take_target(self) -> Tensor | None:
        """Return ``gradient_target``, if there is one, and clear it."""
        target, self.gradient_target = self.gradient_target, None
        return target


def dense_layer(inputs: int, outputs: int) -> nn.Linear:
    """Return torch's linear layer, initialised as ever, whose parameters are ``DenseParameter``."""
    layer = nn.Linear(inputs, outputs)
    layer.weight, layer.bias = DenseParameter(layer.weight.data), DenseParameter(layer.bias.data)
    return layer


def dense_stack(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    negative_slope: float | Tensor,
    masks: Sequence[Tensor | None] | None = None,
    constant_rows: int = 0,
) -> Tensor:
    """Compute linear layers with LeakyReLU and a multiplicative mask between them, none of either after the last.

    ``h_i = LeakyReLU(h_{i-1} W_i^T + b_i) * m_i``, and ``y = h_{n-1} W_n^T + b_n``. Differentiable twice.

    All tensors may have one more dimension in front, the members of a stack: then the products are batched.

    Args:
        x: Input ``[B, in]``.
        weights: ``n`` matrices ``[out_i, in_i]``.
        biases: ``n`` vectors ``[out_i]``.
        negative_slope: LeakyReLU's slope for negative inputs; for a stack, ``[K, 1, 1]``.
        masks: ``n - 1`` multipliers ``[B, out_i]`` or None, for dropout; None for none at all.
        constant_rows: Number of leading rows of the batch without a derivative, which cost none; ``x`` then needs no
            gradient itself.

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
    """Compute the same function by ordinary differentiable operations."""
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
        ctx.slope, ctx.constant_rows, ctx.layers = slope, constant_rows, layers
        ctx.save_for_backward(x, *parameters)
        ctx.parameters = parameters
        # Dropout's multipliers are drawn in the type that they are needed in.
        ctx.masks = masks = tuple(None if mask is None else mask.to(dtype) for mask in masks)
        converted = parameters if parameters[0].dtype == dtype else _converted(parameters, dtype)
        weights, biases = converted[:layers], converted[layers:]
        inputs, signs = [x.to(dtype)], []
        for weight, bias, mask in zip(weights[:-1], biases[:-1], masks, strict=True):
            activation, sign = _activate(_linear(inputs[-1], weight, bias), slope)
            signs.append(sign)
            inputs.append(activation if mask is None else activation.mul_(mask))
        ctx.inputs, ctx.signs, ctx.weights = inputs, signs, weights
        return _linear(inputs[-1], weights[-1], biases[-1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        layers, first = ctx.layers, ctx.constant_rows
        gradient, inputs, signs, masks = gradients[0], ctx.inputs, ctx.signs, ctx.masks
        if first:
            gradient = gradient[..., first:, :]
            inputs, signs = ([t[..., first:, :] for t in kept] for kept in (inputs, signs))
            masks = [None if mask is None else mask[..., first:, :] for mask in masks]
        _, _, _, _, _, needs_x, *needs = ctx.needs_input_grad
        if torch.is_grad_enabled():
            # This gradient is going to be differentiated again (a gradient penalty), so it is composed of operations
            # that autograd can follow.
            x, *parameters = ctx.saved_tensors
            with torch.enable_grad():
                y = _composed(x[..., first:, :], parameters[:layers], parameters[layers:], ctx.slope, masks)
            wanted = [t for t, need in zip((x, *parameters), (needs_x, *needs), strict=True) if need]
            derivatives = iter(torch.autograd.grad(y, wanted, gradient, create_graph=True))
            return (None,) * 5 + tuple(next(derivatives) if need else None for need in (needs_x, *needs))
        results: list[Tensor | None] = [None] * (1 + 2 * layers)
        gradient = gradient.to(ctx.weights[0].dtype)
        for i in reversed(range(layers)):
            if needs[i]:
                results[1 + i] = _deliver(ctx.parameters[i], torch.matmul, _transposed(gradient), inputs[i])
            if needs[layers + i]:
                results[1 + layers + i] = _deliver(ctx.parameters[layers + i], torch.sum, gradient, -2)
            if i:
                gradient = torch.matmul(gradient, ctx.weights[i])
                mask = masks[i - 1]
                if mask is not None:
                    gradient.mul_(mask)
                gradient = _back(gradient, signs[i - 1], ctx.slope)
            elif needs_x:
                results[0] = torch.matmul(gradient, ctx.weights[0])
        return None, None, None, None, None, *results


def _converted(parameters: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    return [_low_precision(parameter).to(dtype) for parameter in parameters]


def _low_precision(parameter: Tensor) -> Tensor:
    """Return the parameter's copy where it has one (it may be a computed weight), else the parameter."""
    copy = parameter.low_precision if isinstance(parameter, DenseParameter) else None
    return parameter if copy is None else copy


def _activate(before: Tensor, slope: float | Tensor) -> tuple[Tensor, Tensor]:
    """Apply LeakyReLU, in place where possible; return its value and the tensor that tells its derivative."""
    if isinstance(slope, float):
        if slope < 0:  # the result does not tell the sign of the input
            return F.leaky_relu(before, slope), before
        after = F.leaky_relu_(before, slope)
        return after, after
    # 1 where the input is positive, else the slope. The comparison writes floats at once: on the CPU a choice
    # between two tensors by a bool costs ten times as much.
    factor = torch.empty_like(before)
    torch.gt(before, 0, out=factor).mul_(1 - slope).add_(slope)
    return before.mul_(factor), factor


def _back(gradient: Tensor, sign: Tensor, slope: Any) -> Tensor:
    """Apply LeakyReLU's derivative, in place. Where dropout has set the output to 0 the gradient is 0 already."""
    if isinstance(slope, float):
        return _leaky_relu_backward(gradient, sign, slope, slope >= 0, grad_input=gradient)
    return gradient.mul_(sign)


def _transposed(gradient: Tensor) -> Tensor:
    # A CPU's products of tiles (AMX, bfloat16) take twice as long where the left factor lies transposed in memory. On
    # others the copy costs more than it saves.
    is_slow = gradient.dtype == torch.bfloat16 and gradient.device.type == "cpu" and _HAS_TILES
    return gradient.mT.contiguous() if is_slow else gradient.mT


def _deliver(parameter: Tensor, function: Callable[..., Tensor], *arguments: Any) -> Tensor | None:
    """Write a parameter's gradient to its target where it has one, else return it."""
    target = parameter.take_target() if isinstance(parameter, DenseParameter) else None
    if target is None:
        return function(*arguments)
    function(*arguments, out=target)
    return None
