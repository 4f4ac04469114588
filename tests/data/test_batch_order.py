from __future__ import annotations

import pytest
import torch

from gan_experiments.data.batch_order import BatchStream
from gan_experiments.errors import UserError


@pytest.mark.parametrize(("size", "batch_size"), [(10, 4), (10, 5), (7, 7), (5, 1), (1, 1), (53, 52)])
def test_every_sample_is_seen_once_an_epoch(size: int, batch_size: int) -> None:
    batches = BatchStream(size, batch_size, seed=3).indices(0, 4 * size)
    assert batches.shape == (4 * size, batch_size)
    assert (batches.dtype, batches.device.type) == (torch.int64, "cpu")
    # 4 * size full batches are 4 * batch_size whole epochs, laid end to end.
    for epoch in batches.view(-1, size):
        assert epoch.sort().values.tolist() == list(range(size))


def test_a_part_is_the_same_whenever_it_is_asked_for() -> None:
    whole = BatchStream(10, 4, seed=0).indices(0, 50)
    stream = BatchStream(10, 4, seed=0)
    for first, count in [(49, 1), (0, 1), (7, 13), (20, 30), (7, 13), (3, 0)]:
        assert torch.equal(stream.indices(first, count), whole[first : first + count])


def test_what_is_done_to_a_part_does_not_change_the_stream() -> None:
    stream = BatchStream(10, 10, seed=0)
    first = stream.indices(0, 1).clone()
    stream.indices(0, 1).zero_()
    assert torch.equal(stream.indices(0, 1), first)


def test_seeds_and_epochs_are_orders_of_their_own() -> None:
    orders = {tuple(row) for seed in range(8) for row in BatchStream(50, 50, seed).indices(0, 8).tolist()}
    assert len(orders) == 64


def test_no_other_source_of_chance_is_touched_or_heeded() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = BatchStream(20, 6, seed=5).indices(0, 9)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(BatchStream(20, 6, seed=5).indices(0, 9), one)


def test_all_orders_are_about_equally_likely() -> None:
    orders = BatchStream(3, 3, seed=0).indices(0, 6000)
    counts = torch.unique(orders, dim=0, return_counts=True)[1]
    assert len(counts) == 6
    assert counts.sub(1000).abs().max() < 150  # five standard deviations


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_a_batch_that_the_data_cannot_fill_is_refused(batch_size: int) -> None:
    with pytest.raises(UserError, match=rf"^train\.batch_size={batch_size}: must be from 1 to 10, the size"):
        BatchStream(10, batch_size, seed=0)
