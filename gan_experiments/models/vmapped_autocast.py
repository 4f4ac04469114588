"""Autocast for operations that ``torch.vmap`` hides from it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_PRODUCTS = (
    F.linear,
    F.conv1d,
    F.conv2d,
    F.conv3d,
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.conv_transpose3d,
)
_NORMALISATIONS = (F.batch_norm, F.instance_norm)


def vmapped_autocast(device: str) -> AbstractContextManager[object]:
    """Return the context in which a vmapped network is autocast as it would be by itself, where autocast is on."""
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return _Autocast(torch.get_autocast_dtype(device))


class _Autocast(TorchFunctionMode):
    """Converts what autocast would, had vmap not taken the operations apart before.

    Linear layers and convolutions get all tensors in autocast's type. A normalisation gets its input in float32, the
    type of its statistics and weights, and its result has the input's type: under vmap its kernel takes no mixture.

    Args:
        dtype: Autocast's type.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in _PRODUCTS:
            args = [a.to(self._dtype) if isinstance(a, Tensor) else a for a in args]
            kwargs = {key: a.to(self._dtype) if isinstance(a, Tensor) else a for key, a in kwargs.items()}
        elif function in _NORMALISATIONS:
            x, *rest = args
            return function(x.float(), *rest, **kwargs).to(x.dtype)
        return function(*args, **kwargs)
