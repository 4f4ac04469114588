from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from torch import nn

from gan_experiments.configuration.compose import compose
from gan_experiments.launchers.fused.memory import free_memory, members_that_fit
from gan_experiments.launchers.fused.outlook import outlook
from gan_experiments.models.networks import Networks
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.runs.run import Run
from gan_experiments.training.trainer import Trainer
from tests.support.commands import Command

GIGABYTE = 10**9
LIBRARIES = 256 * 2**20
"""cuBLAS's workspaces (32 MiB a stream on an H100, of two libraries and two streams) and blocks that are not full."""


def run(folder: Path, *overrides: str) -> Run:
    return Run(compose(["tracking=off", *overrides]), folder, [])


def fit(monkeypatch: pytest.MonkeyPatch, free: int, *runs: Run) -> int:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    dataset = runs[0].dataset
    return members_that_fit(outlook([each.config for each in runs], dataset), dataset, runs[0].device)


def test_as_many_fit_as_the_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = run(tmp_path, "device=cpu"), run(tmp_path, "device=cpu", "seed=1")
    parameters = sum(p.numel() for n in (pair[0].member.networks,) for p in n.generator.parameters()) + sum(
        p.numel() for p in pair[0].member.networks.discriminator.parameters()
    )
    count = fit(monkeypatch, 10 * GIGABYTE, *pair)
    # Own networks, those of the stack, gradients and two moments, and little else in so small a batch.
    assert 0.4 < count * 16 * parameters / (0.8 * 10 * GIGABYTE) < 1
    assert fit(monkeypatch, 20 * GIGABYTE, *pair) == pytest.approx(2 * count, rel=0.01)
    assert fit(monkeypatch, 1, *pair) == 1


def test_members_are_as_large_as_what_they_are_padded_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide, deep = "model.generator_widths=[2048,32,32]", "model.generator_widths=[32,2048,2048]"
    runs = [run(tmp_path, "device=cpu", override) for override in (wide, deep)]
    both = run(tmp_path, "device=cpu", "model.generator_widths=[2048,2048,2048]")
    assert fit(monkeypatch, 10 * GIGABYTE, *runs) == pytest.approx(
        fit(monkeypatch, 10 * GIGABYTE, both, both), rel=0.02
    )


def test_a_larger_batch_takes_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [
        fit(monkeypatch, 10 * GIGABYTE, *[run(tmp_path, "device=cpu", f"train.batch_size={size}")] * 2)
        for size in (50, 1000)
    ]
    assert counts[0] > 1.5 * counts[1]


def test_what_cannot_be_stacked_is_found_out_beforehand(tmp_path: Path) -> None:
    class Noise(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.randn_like(x)

    runs = [run(tmp_path, "device=cpu", "data=ring") for _ in range(2)]
    for one in runs:
        generator = nn.Sequential(nn.Linear(100, 2), Noise())
        one.member = replace(one.member, networks=Networks(generator, nn.Linear(2, 1), 100))
    with pytest.raises(UnstackableError, match="a step of two of them as one failed"):
        members_that_fit([each.member for each in runs], runs[0].dataset, runs[0].device)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_estimate_holds_on_a_gpu(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three epochs: the first window is called, then graphs of several steps and of one are captured and replayed."""
    keys = ["device=cuda", "model=mlp", "train=article", "train.epochs=3", f"train.precision={precision}"]
    runs = [run(tmp_path, *keys, f"seed={seed}") for seed in range(8)]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIGABYTE, 0))
    estimated = 0.8 * 10 * GIGABYTE / members_that_fit([r.member for r in runs], runs[0].dataset, runs[0].device)
    free_memory()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    trainer = Trainer([each.member for each in runs], runs[0].dataset, device=runs[0].device)
    for _ in trainer.events():
        pass
    taken = torch.cuda.max_memory_reserved() - before - LIBRARIES
    assert taken < 1.25 * estimated * len(runs)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_stack_that_exhausts_a_gpu_continues_in_half_the_slots(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen members of the article's size, which the estimate is made to let through, want about 1 GiB."""
    monkeypatch.setattr("gan_experiments.launchers.fused.jobs.members_that_fit", lambda *_: 1000)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(700 * 2**20 / total)
    try:
        answer = command(
            "-m", "hydra/launcher=fused", "train.epochs=4", "evaluate=off", "tracking=off", "seed=range(16)"
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert answer.status == 0, answer.err
    assert "each from its own checkpoint" in answer.out + answer.err
