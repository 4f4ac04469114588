import pytest
import torch
from torch import nn

from gan_experiments.errors import UserError
from gan_experiments.models.dcgan import build
from gan_experiments.models.stacking import UnstackableError, stack_modules


def networks(shape=(1, 28, 28), g=(8, 4), d=(4, 8), slope=0.2, dropout=0.0, seed=0, spectral_norm=False):
    torch.manual_seed(seed)
    return build(shape, "dcgan", 10, list(g), list(d), slope, dropout, spectral_norm)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 36, 28), (3, 100, 100)])
def test_images_of_any_multiple_of_four(shape):
    pair = networks(shape)
    images = pair.generator(torch.randn(5, 10))
    assert images.shape == (5, *shape)
    assert images.abs().max() < 1
    assert pair.discriminator(images).shape == (5,)


def test_the_paper_s_networks_start_from_four_by_four():
    pair = networks((3, 64, 64), (1024, 512, 256, 128), (128, 256, 512, 1024))
    assert [m.num_features for m in pair.generator.modules() if isinstance(m, nn.BatchNorm2d)] == [
        1024,
        512,
        256,
        128,
    ]
    assert pair.generator.stages[:2](torch.randn(1, 10)).shape == (1, 1024, 4, 4)
    assert pair.discriminator.stages[-1].in_features == 1024 * 4 * 4


def test_weights_start_as_the_paper_s():
    pair = networks(g=(64, 32), d=(32, 64))
    for network in (pair.generator, pair.discriminator):
        layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        weights = torch.cat([layer.weight.detach().flatten() for layer in layers])
        assert weights.std().item() == pytest.approx(0.02, rel=0.02)
        assert all(not layer.bias.any() for layer in layers if layer.bias is not None)


def test_spectral_norm_takes_the_place_of_the_discriminator_s_batch_norm():
    pair = networks(spectral_norm=True)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in pair.discriminator.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in pair.generator.modules())
    x = torch.randn(4, 1, 28, 28)
    pair.discriminator.eval()
    torch.testing.assert_close(pair.discriminator(x)[:1], pair.discriminator(x[:1]))


def test_what_it_cannot_take_is_named():
    with pytest.raises(UserError, match=r"^model=dcgan: needs images, .* points, 2-D$"):
        networks((2,))
    with pytest.raises(UserError, match=r"^model.generator_widths=\[8, 4\]: .* multiples of 4; they are 30 and 28 "):
        networks((1, 30, 28))


def test_members_that_differ_in_more_than_sizes_slopes_and_dropout_do_not_stack():
    def stack(*pairs):
        stack_modules([pair.generator for pair in pairs])
        stack_modules([pair.discriminator for pair in pairs])

    stack(networks(dropout=0.1), networks(g=(2, 16), d=(8, 2), slope=0.1, dropout=0.3, seed=1))
    with pytest.raises(UnstackableError, match="differ in depth"):
        stack(networks(), networks(d=(8,)))
    with pytest.raises(UnstackableError, match="the kind of their layers"):
        stack(networks(), networks(spectral_norm=True))
    other = networks()
    other.discriminator.stages[4].eps = 1e-3
    with pytest.raises(UnstackableError, match=r"differ in stages\.4\.eps"):
        stack(networks(), other)
