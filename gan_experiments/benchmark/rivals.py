"""The article's training loop, written by others. Each is endless, and yields after every step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.timing import StepsTaken


def article(recipe: Recipe, generator: nn.Module, discriminator: nn.Module) -> Iterator[StepsTaken]:
    """Train as published: image by image through a ``DataLoader``, two passes of D, losses fetched at every step."""
    device, latent_dim = recipe.device, recipe.model.latent_dim
    loader, criterion = recipe.loader(), nn.BCELoss()
    betas = (recipe.train.betas[0], recipe.train.betas[1])
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=recipe.train.lr, betas=betas)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=recipe.train.lr, betas=betas)
    while True:
        for images, _ in loader:
            real = images.to(device)
            ones = torch.ones(len(real), 1, device=device)
            zeros = torch.zeros(len(real), 1, device=device)

            d_optimizer.zero_grad()
            fake = generator(torch.randn(len(real), latent_dim, device=device))
            d_loss = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
            d_loss.backward()
            d_optimizer.step()

            g_optimizer.zero_grad()
            fake = generator(torch.randn(len(real), latent_dim, device=device))
            g_loss = criterion(discriminator(fake), ones)
            g_loss.backward()
            g_optimizer.step()

            yield StepsTaken(1, d_loss.item(), g_loss.item())


def by_hand(recipe: Recipe, generator: nn.Module, discriminator: nn.Module, passes: int) -> Iterator[StepsTaken]:
    """Train as an expert does: data normalised once and kept on the device, fused Adam, losses on logits, no waiting.

    Args:
        recipe: The values that all contenders share.
        generator: G.
        discriminator: D, without a sigmoid.
        passes: 2 for separate passes of real and generated samples, 1 for both in one batch.
    """
    device, batch, latent_dim = recipe.device, recipe.train.batch_size, recipe.model.latent_dim
    data = recipe.dataset.samples.to(device).float() / 127.5 - 1
    betas = (recipe.train.betas[0], recipe.train.betas[1])
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=recipe.train.lr, betas=betas, fused=True)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=recipe.train.lr, betas=betas, fused=True)
    while True:
        order = torch.randperm(len(data), device=device)
        for indices in order[: len(data) // batch * batch].view(-1, batch):
            real = data[indices]
            with torch.no_grad():
                fake = generator(torch.randn(batch, latent_dim, device=device))
            if passes == 1:
                of_real, of_fake = discriminator(torch.cat((real, fake))).split(batch)
            else:
                of_real, of_fake = discriminator(real), discriminator(fake)
            d_loss = F.softplus(-of_real).mean() + F.softplus(of_fake).mean()
            d_optimizer.zero_grad()
            d_loss.backward()
            d_optimizer.step()

            fake = generator(torch.randn(batch, latent_dim, device=device))
            g_loss = F.softplus(-discriminator(fake)).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
            g_optimizer.step()

            yield StepsTaken(1, d_loss.detach(), g_loss.detach())
