"""A recording repeats what a function did to tensors, with their present values."""

import pytest
import torch
from torch import Tensor

from gan_experiments.training.recording import Recording, on_host
from tests.support.fresh_interpreter import loaded_by


@pytest.fixture
def weights():
    return torch.arange(6.0).view(2, 3).requires_grad_()


def descend(weights: Tensor, x: Tensor) -> list[Tensor]:
    """Return a loss and a view of something new, and change the weights in place."""
    hidden = torch.cat((x, x.flip(0))) @ weights.t()
    loss = hidden.tanh().square().mean()
    (gradient,) = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        weights.sub_(gradient, alpha=0.1)
    return [loss.detach(), hidden.detach()[1:, :1]]


def test_a_repetition_computes_what_the_function_would(weights):
    ours, x = weights.detach().clone().requires_grad_(), torch.zeros(2, 3)
    recording = None
    for i in range(4):
        given = torch.full((2, 3), 0.1 * i) + torch.eye(2, 3)
        expected = descend(weights, given)
        x.copy_(given)
        if recording is None:
            recording = Recording(lambda: descend(ours, x))
        else:
            recording()
        assert all(torch.equal(a, b) for a, b in zip(recording.results, expected, strict=True))
        assert torch.equal(ours, weights)


def test_tensors_that_live_at_different_times_share_memory():
    x = torch.ones(1000)

    def chain() -> list[Tensor]:
        y = x
        for _ in range(20):
            y = y + 1
        return [y]

    recording = Recording(chain)
    places = {
        keywords["out"].untyped_storage().data_ptr() for _, _, keywords in recording._program if "out" in keywords
    }
    assert len(places) == 2
    recording()
    assert torch.equal(recording.results[0], x + 20)


def test_what_is_filled_once_stays_and_what_is_written_is_filled_again():
    x = torch.ones(3)

    def add() -> list[Tensor]:
        total = torch.zeros(3)
        total.add_(x)
        return [total + torch.ones_like(x)]

    recording = Recording(add)
    for value in (1.0, 5.0):
        x.fill_(value)
        recording()
        assert recording.results[0].tolist() == [value + 1] * 3


def test_random_numbers_are_drawn_anew():
    recording = Recording(lambda: [torch.randn(4), torch.full((4,), 0.5).bernoulli()])
    first = recording.results[0].clone()
    torch.manual_seed(3)
    recording()
    again = recording.results[0].clone()
    torch.manual_seed(3)
    assert torch.equal(again, torch.randn(4))
    assert not torch.equal(again, first)


def test_a_function_on_the_host_reads_present_numbers():
    rate, x = torch.ones(1), torch.zeros(1)
    recording = Recording(lambda: [on_host(lambda: x.add_(rate.item())), x + 0][1:])
    assert recording.problem is None
    rate.fill_(10.0)
    recording()
    assert recording.results[0].item() == 11.0


@pytest.mark.parametrize("look", [lambda x: x.sum().item(), lambda x: x.nonzero(), lambda x: x[x > 0]])
def test_what_depends_on_values_is_named_and_not_repeated(look):
    x = torch.ones(2)
    recording = Recording(lambda: [look(x), x + 1][1:])
    assert recording.problem is not None
    assert recording.results[0].tolist() == [2.0, 2.0]


def test_nothing_is_recorded_after_an_error():
    def fails() -> list[Tensor]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Recording(fails)
    x = torch.zeros(1)
    on_host(x.add_, 1.0)
    assert x.item() == 1.0


def test_recording_needs_no_compiler():
    """Torch imports its compiler for such a mode unless it is told not to: 900 modules, and more than a second."""
    program = (
        "import torch\n"
        "from gan_experiments.training.recording import Recording, on_host\n"
        "x = torch.ones(2)\n"
        "Recording(lambda: [on_host(x.add_, 1), x * 2][1:])()\n"
    )
    assert loaded_by(program, "torch._dynamo", "sympy") == []
