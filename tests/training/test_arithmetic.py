"""How many threads of a processor a step is computed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from gan_experiments.models.mlp import build
from gan_experiments.models.networks import Networks
from gan_experiments.training import trainer
from gan_experiments.training.arithmetic import threads_for
from gan_experiments.training.engine import Eager
from tests.training.test_trainer import make

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def networks(width: int) -> Networks:
    return build((1, 8, 8), "mlp", 8, [width], [width], 0.2, 0.0)


def test_small_steps_take_one_thread_and_large_ones_torchs_own() -> None:
    assert threads_for([networks(16)], 100, CPU) == 1
    assert threads_for([networks(1024)], 100, CPU) == 1
    assert threads_for([networks(1024)], 1000, CPU) is None
    assert threads_for([networks(16), networks(4096)], 100, CPU) is None, "the largest member counts"
    assert threads_for([networks(16)], 100, torch.device("meta")) is None


def test_work_that_shapes_do_not_tell_is_left_to_torch() -> None:
    convolution = nn.Conv2d(1, 1, 3)
    assert threads_for([Networks(convolution, convolution, 8)], 1, CPU) is None
    other = nn.Linear(8, 8)  # a token of a transformer may pass through it
    assert threads_for([Networks(other, other, 8)], 1, CPU) is None


def test_who_sets_the_number_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_for([networks(16)], 1, CPU) is None


def test_a_trainer_computes_steps_so_and_leaves_the_number_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()

    class Watched(Eager):
        def __call__(self, *inputs: Any) -> Any:
            seen.add(torch.get_num_threads())
            return super().__call__(*inputs)

    monkeypatch.setattr(trainer, "make_engine", lambda name, step, device: Watched(step))
    for _ in make().events():
        assert torch.get_num_threads() == 2
    assert seen == {1}
