"""Adam's kernel for a GPU: in Triton's interpreter on a CPU, through its compiler, and on a GPU if there is one."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from gan_experiments.training.optimizers.adam import Adam
from gan_experiments.training.optimizers.optimizer import Rates
from tests.support.fresh_interpreter import printed_by
from tests.support.steps import CUDA

pytest.importorskip("triton", reason="no Triton, which comes with torch for CUDA")

SETTINGS = [(1e-3, 0.9, 0.999, 0.0, 0.0), (1e-2, 0.5, 0.9, 0.1, 0.0), (3e-4, 0.0, 0.99, 0.01, 0.0)]
"""Learning rate, both betas, weight decay and momentum of three members."""

UPDATES = f"""
import json
import torch
from gan_experiments.training.optimizers._adam_kernel import update

KINDS = {{"none": (False, False), "in the gradient": (True, False), "decoupled": (True, True)}}
SIZE, STEPS = 1500, 30  # two blocks, the second of them not full

def start(k):
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(k))

def gradient(k, step):
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(1000 * k + step + 50)) * 10.0 ** (step % 5 - 3)

def by_kernel(members, decays, decoupled):
    rates = torch.tensor({SETTINGS}, dtype=torch.float64)[members]
    parameters = torch.stack([start(k) for k in members])
    first, second, steps = torch.zeros_like(parameters), torch.zeros_like(parameters), torch.zeros(len(members))
    for step in range(STEPS):
        steps += 1
        gradients = torch.stack([gradient(k, step) for k in members])
        update(parameters, gradients, first, second, steps, rates, 1e-8, decays, decoupled)
    return torch.stack((parameters, first, second))

def by_torch(k, decays, decoupled):
    lr, beta1, beta2, weight_decay, _ = {SETTINGS}[k]
    parameters = start(k).requires_grad_()
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    own = kind([parameters], lr=lr, betas=(beta1, beta2), weight_decay=weight_decay if decays else 0.0, foreach=False)
    for step in range(STEPS):
        parameters.grad = gradient(k, step)
        own.step()
    kept = own.state[parameters]
    return torch.stack((parameters.detach(), kept["exp_avg"], kept["exp_avg_sq"]))

found = {{}}
for name, kind in KINDS.items():
    together = by_kernel([0, 1, 2], *kind)
    for k in range(3):
        expected = by_torch(k, *kind)
        gap = ((together[:, k] - expected).abs().amax(1) / expected.abs().amax(1)).max()
        alone = torch.equal(by_kernel([k], *kind)[:, 0], together[:, k])
        found[f"{{name}} {{k}}"] = {{"gap": float(gap), "alone": alone}}
print(json.dumps(found))
"""


def test_the_kernel_is_torch_s_adam_for_members_with_settings_of_their_own() -> None:
    """Alone and beside others, the same bits; every form of weight decay, and a first beta of 0."""
    found = json.loads(" ".join(printed_by(UPDATES, TRITON_INTERPRET="1")))
    assert len(found) == 9
    assert {name: own["gap"] for name, own in found.items() if own["gap"] > 1e-6} == {}
    assert [name for name, own in found.items() if not own["alone"]] == []


COMPILED = f"""
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from gan_experiments.training.optimizers._adam_kernel import adam_kernel

tensors = ("parameters", "gradients", "firsts", "seconds", "steps")
types = dict.fromkeys(tensors, "*fp32") | {{"rates": "*fp64", "size": "i32", "eps": "fp32"}}
fixed = {{"settings": {len(Rates._fields)}, "decays": True, "decoupled": False, "block": 1024}}
aligned = {{(i,): [["tt.divisibility", 16]] for i in range(7)}}
for capability in (75, 80, 90, 100):
    source = ASTSource(adam_kernel, types | dict.fromkeys(fixed, "constexpr"), fixed, aligned)
    compiled = triton.compile(source, GPUTarget("cuda", capability, 32), {{"enable_fp_fusion": False}})
    assert compiled.asm["cubin"], capability
    print(compiled.asm["ptx"])
"""


def test_the_kernel_compiles_for_gpus_that_are_not_here(tmp_path: Path) -> None:
    code = " ".join(printed_by(COMPILED, TRITON_CACHE_DIR=str(tmp_path)))
    # Sixteen bytes at a time; roots and quotients as IEEE 754 rounds them; no float32 product joined with a sum.
    assert code.count(".target sm_") == 4
    assert code.count("ld.global.v4") == 4 * code.count("ld.global.v4", code.rindex(".target sm_")) > 0
    assert "st.global.v4" in code
    assert "sqrt.rn.f32" in code
    assert "div.rn.f32" in code
    assert "fma.rn.f32" not in code


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_where_the_kernel_cannot_be_compiled_operations_take_its_place(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Triton finds no GPU here; elsewhere no C compiler, or no folder that it may write to."""
    from gan_experiments.training.optimizers import adam

    monkeypatch.setattr(adam, "_kernel", adam._kernel.__wrapped__)  # without what it remembers
    optimizer = Adam(torch.zeros(2, 16), [Rates(*own) for own in SETTINGS[:2]])
    with caplog.at_level(logging.WARNING):
        assert optimizer.as_one_kernel() is None
    [warning] = caplog.messages
    assert warning.startswith("Adam's updates take many operations instead of one kernel (RuntimeError: ")


def _members(count: int, device: str) -> tuple[Adam, list[torch.Tensor]]:
    """Return an optimiser of the first members, and gradients for it."""
    generator = torch.Generator().manual_seed(3)
    parameters = torch.randn(3, 1500, generator=generator)[:count].clone()
    gradients = [torch.randn(3, 1500, generator=generator)[:count].to(device) for _ in range(20)]
    return Adam(parameters.to(device), [Rates(*own) for own in SETTINGS[:count]]), gradients


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=CUDA)])
def test_on_a_gpu_the_kernel_is_used_and_gives_what_operations_give(device: str) -> None:
    (by_kernel, gradients), (by_operations, _) = _members(3, device), _members(3, device)
    assert by_kernel.kernel is not None
    by_operations.kernel = None
    for gradient in gradients:
        by_kernel.update(gradient)
        by_operations.update(gradient)
    torch.testing.assert_close(by_kernel.parameters, by_operations.parameters, rtol=1e-5, atol=1e-6)
    for name, state in by_kernel.state.items():
        torch.testing.assert_close(state, by_operations.state[name], rtol=1e-5, atol=1e-8)
    assert by_kernel.step.tolist() == [20.0] * 3


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=CUDA)])
def test_on_a_gpu_a_member_gets_the_bits_that_it_gets_alone(device: str) -> None:
    (together, gradients), (alone, _) = _members(3, device), _members(1, device)
    for gradient in gradients:
        together.update(gradient)
        alone.update(gradient[:1])
    assert torch.equal(together.parameters[0], alone.parameters[0])
