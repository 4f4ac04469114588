"""The device that a run trains on."""

from __future__ import annotations

import torch

from gan_experiments.errors import UserError


def resolve_device(name: str) -> torch.device:
    """Return the device that ``device=name`` means on this machine.

    ``auto`` is the first CUDA device where there is one, else the CPU.

    Raises:
        UserError: The name is unknown, or this machine lacks the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"device={name}: unknown; allowed are auto, cpu, cuda, cuda:N and mps")
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if count <= (device.index or 0):
        have = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        have += ["mps"] if torch.backends.mps.is_available() else []
        raise UserError(f"device={name}: this machine lacks it; it has {', '.join(have)}")
    return device
