"""Adam's update of all members as one kernel of a GPU, in Triton, which comes with torch's CUDA wheels.

Every number that an update needs is read once and written once: 28 bytes a parameter. A member's settings are read
by the kernel, so that members may differ in them, and a captured CUDA graph sees them change.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024
"""Parameters that one program updates."""


@triton.jit
def adam_kernel(
    parameters,
    gradients,
    firsts,
    seconds,
    steps,
    rates,
    size,
    eps,
    settings: tl.constexpr,
    decays: tl.constexpr,
    decoupled: tl.constexpr,
    block: tl.constexpr,
):
    """Update ``block`` parameters of one member, as ``Adam.update_all`` does those of all.

    Members are along the grid's second axis. The rounding of every line is that of a single operation (neither
    approximate roots and quotients nor, as ``update`` asks, products joined with sums), so that a parameter's new
    value depends on nothing that stands beside it.
    """
    # 1. The member's settings, in the order of Rates, and its bias corrections: float64, as exact as torch's own.
    member = tl.program_id(1)
    own = rates + member * settings
    lr, beta1, beta2 = tl.load(own), tl.load(own + 1), tl.load(own + 2)
    step = tl.load(steps + member).to(tl.float64)
    root = tl.sqrt(1.0 - tl.exp2(step * tl.log2(beta2)))
    length = (lr * root / (1.0 - tl.exp2(step * tl.log2(beta1)))).to(tl.float32)
    floor = (eps * root).to(tl.float32)
    weight1, weight2 = (1.0 - beta1).to(tl.float32), (1.0 - beta2).to(tl.float32)
    # 2. Its parameters. A stack may have more of them than an int32 counts.
    column = tl.program_id(0) * block + tl.arange(0, block)
    inside = column < size
    place = member.to(tl.int64) * size + column
    parameter, gradient = tl.load(parameters + place, inside, 0.0), tl.load(gradients + place, inside, 0.0)
    first, second = tl.load(firsts + place, inside, 0.0), tl.load(seconds + place, inside, 0.0)
    # 3. Weight decay, moments, and the step.
    if decays:
        weight_decay = tl.load(own + 3)
        if decoupled:
            parameter *= (1.0 - lr * weight_decay).to(tl.float32)
        else:
            gradient += weight_decay.to(tl.float32) * parameter
    first = _towards(first, gradient, weight1)
    second = _towards(second, gradient * gradient, weight2)
    parameter -= length * tl.div_rn(first, tl.sqrt_rn(second) + floor)
    tl.store(parameters + place, parameter, inside)
    tl.store(firsts + place, first, inside)
    tl.store(seconds + place, second, inside)


@triton.jit
def _towards(start, end, weight):
    """Go a part of the way, from the nearer side, as ``torch.lerp``: a weight of 1 gives the end exactly."""
    way = end - start
    return tl.where(weight < 0.5, start + weight * way, end - way * (1.0 - weight))


def update(
    parameters: Tensor,
    gradients: Tensor,
    first: Tensor,
    second: Tensor,
    steps: Tensor,
    rates: Tensor,
    eps: float,
    decays: bool,
    decoupled: bool,
) -> None:
    """Update all members in place.

    Args:
        parameters: float32 ``[K, P]``, contiguous, as the next three.
        gradients: Of them.
        first: The first moment.
        second: The second moment.
        steps: Number of updates of each member with this one, float32 ``[K]``.
        rates: Settings in the order of ``Rates``, float64 ``[K, S]``.
        eps: Added to the root of the second moment.
        decays: Whether there is weight decay.
        decoupled: Whether it shrinks the parameters, instead of joining the gradients.
    """
    members, size = parameters.shape
    grid = triton.cdiv(size, _BLOCK), members
    launch: Any = adam_kernel[grid]
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device_of(parameters):
        launch(
            parameters,
            gradients,
            first,
            second,
            steps,
            rates,
            size,
            eps,
            settings=rates.shape[1],
            decays=decays,
            decoupled=decoupled,
            block=_BLOCK,
            enable_fp_fusion=False,
        )
