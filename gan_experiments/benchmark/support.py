"""What the present device can do, and how much room it has."""

from __future__ import annotations

import platform

import psutil
import torch


def lacks(device: torch.device, precision: str) -> str | None:
    """Why a precision is not measured on a device, or None where it is native."""
    if precision == "tf32":
        native = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return None if native else f"{device} has no tf32 arithmetic"
    if precision == "bf16":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            # Only of x86 does torch say so; others are measured as they are.
            native = platform.machine().lower() not in ("x86_64", "amd64") or torch.cpu._is_avx512_bf16_supported()
        return None if native else f"{device} has no bf16 arithmetic of its own"
    return None


def free_memory(device: torch.device) -> dict[str, int]:
    """Bytes that are free on the host and, where it has memory of its own, on the device."""
    free = {"the host": psutil.virtual_memory().available}
    if device.type == "cuda":
        torch.cuda.empty_cache()
        free[str(device)] = torch.cuda.mem_get_info(device)[0]
    return free
