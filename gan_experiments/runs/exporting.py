"""Writes a trained generator to one file that other programs read, in a format of theirs."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gan_experiments.errors import UserError
from gan_experiments.runs.saved_networks import SavedGenerator

INPUT, LABELS, OUTPUT = "latents", "labels", "samples"
"""Names of an exported program's inputs, latents float32 ``[N, latent_dim]`` and, of a conditional generator, labels
int64 ``[N]``; and of its output, samples in the data's own range."""
_TRACED = 2
"""Latents that the network is traced with; with 1, torch would take the size of a batch for a constant."""
_PACKAGES = {"onnx": ("onnx", "onnxscript")}
"""Packages that a format needs beyond those of training."""


def check_packages(kind: str) -> None:
    """Make sure that a format can be written.

    Raises:
        UserError: A package is missing.
    """
    missing = [name for name in _PACKAGES.get(kind, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--format {kind}: needs {' and '.join(missing)}; pip install 'gan-experiments[export]'")


def export(generator: SavedGenerator, model: dict[str, Any], kind: str, out: Path) -> None:
    """Write a generator to a file, which appears whole or not at all.

    Args:
        generator: The generator.
        model: The configuration's ``model`` group as plain values.
        kind: A key of ``SUFFIXES``.
        out: The file.

    Raises:
        UserError: A package is missing, or the network cannot be traced.
    """
    check_packages(kind)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".export-") as scratch:
        file = Path(scratch) / f"generator{SUFFIXES[kind]}"
        try:
            with warnings.catch_warnings(action="ignore"):  # torch's own, about its own code
                _WRITERS[kind](generator.eval(), model, file)
        except Exception as error:  # a network of the user's own is traced here, and whatever it does is followed
            line = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
            raise UserError(f"--format {kind}: this generator cannot be exported ({line})") from error
        file.replace(out)


def _write_onnx(generator: SavedGenerator, model: dict[str, Any], file: Path) -> None:
    torch.onnx.export(
        generator,
        _example(generator),
        str(file),
        input_names=_inputs(generator),
        output_names=[OUTPUT],
        dynamic_shapes=_any_batch(generator),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _write_torch_export(generator: SavedGenerator, model: dict[str, Any], file: Path) -> None:
    program = torch.export.export(generator, _example(generator), dynamic_shapes=_any_batch(generator))
    torch.export.save(program, file)


def _write_safetensors(generator: SavedGenerator, model: dict[str, Any], file: Path) -> None:
    from safetensors.torch import save_file

    # Copies, because the format has no place for weights that share memory.
    weights = {name: value.clone().contiguous() for name, value in generator.generator.state_dict().items()}
    description = generator.space.description() | {"latent_dim": generator.latent_dim, "model": model}
    save_file(weights, file, {"format": "pt", "generator": json.dumps(description)})


def _inputs(generator: SavedGenerator) -> list[str]:
    return [INPUT] if generator.classes is None else [INPUT, LABELS]


def _example(generator: SavedGenerator) -> tuple[torch.Tensor, ...]:
    latents = torch.randn(_TRACED, generator.latent_dim, generator=torch.Generator().manual_seed(0))
    return (latents, torch.zeros(_TRACED, dtype=torch.int64))[: len(_inputs(generator))]


def _any_batch(generator: SavedGenerator) -> dict[str, Any]:
    batch = torch.export.Dim("batch")
    return {name: {0: batch} for name in _inputs(generator)}


_WRITERS: dict[str, Callable[[SavedGenerator, dict[str, Any], Path], None]] = {
    "onnx": _write_onnx,
    "torch_export": _write_torch_export,
    "safetensors": _write_safetensors,
}
SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "safetensors": ".safetensors"}
"""Formats, and the ends of their files' names."""
