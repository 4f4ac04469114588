"""The device that a run trains on, and its random numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from gan_experiments.errors import UserError


def resolve_device(name: str) -> torch.device:
    """Return the device that ``device=name`` means on this machine.

    ``auto`` is the first CUDA device where there is one, else the CPU.

    Raises:
        UserError: The name is unknown, or this machine lacks the device.
    """
    if name == "cpu":
        return torch.device("cpu")  # such a run does not even ask for CUDA
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"device={name}: unknown; allowed are auto, cpu, cuda, cuda:N and mps")
    have = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    have += ["mps"] if torch.backends.mps.is_available() else []
    if ("cuda:0" if name == "cuda" else str(device)) not in have:
        raise UserError(f"device={name}: this machine lacks it; it has {', '.join(have)}")
    return device


def generators_kept(device: torch.device) -> AbstractContextManager[None]:
    """Keep torch's global random numbers, those of the CPU and of a device, as they are outside of this context.

    ``torch.random.fork_rng()`` without arguments keeps those of every GPU of the machine, and initialises CUDA.
    """
    return torch.random.fork_rng([device] if device.type == "cuda" else [])
