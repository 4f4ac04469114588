"""The article's loop as a Lightning module with manual optimisation, in Lightning's fastest mode."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

import torch
from torch import nn

from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.timing import Block, Contender, synchronise
from gan_experiments.errors import UserError


def lightning(recipe: Recipe, generator: nn.Module, discriminator: nn.Module) -> Contender:
    """Train the article's networks, batches and optimisers by ``Trainer(barebones=True)``, which tracks nothing.

    Each call fits anew; the clock starts after the first batch, so no start-up is counted.

    Raises:
        UserError: Lightning is not installed.
    """
    try:
        import lightning as L  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("needs Lightning; pip install 'gan-experiments[benchmark]'") from error

    class Adversarial(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.generator, self.discriminator = generator, discriminator
            self.criterion = nn.BCELoss()
            self.wanted, self.taken, self.started, self.seconds = 0, -1, 0.0, 0.0

        def configure_optimizers(self) -> list[torch.optim.Optimizer]:
            betas = (recipe.train.betas[0], recipe.train.betas[1])
            players = (self.generator, self.discriminator)
            return [torch.optim.Adam(p.parameters(), lr=recipe.train.lr, betas=betas) for p in players]

        def training_step(self, batch: Any, _index: int) -> None:
            real, _ = batch
            g_optimizer, d_optimizer = self.optimizers()  # type: ignore[misc]
            ones, zeros = real.new_ones(len(real), 1), real.new_zeros(len(real), 1)

            fake = self.generator(real.new_empty(len(real), recipe.model.latent_dim).normal_())
            d_loss = self.criterion(self.discriminator(real), ones)
            d_loss = d_loss + self.criterion(self.discriminator(fake.detach()), zeros)
            d_optimizer.zero_grad()
            self.manual_backward(d_loss)
            d_optimizer.step()

            fake = self.generator(real.new_empty(len(real), recipe.model.latent_dim).normal_())
            g_loss = self.criterion(self.discriminator(fake), ones)
            g_optimizer.zero_grad()
            self.manual_backward(g_loss)
            g_optimizer.step()

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.taken += 1
            if self.taken == 0:
                synchronise(recipe.device)
                self.started = time.perf_counter()
            elif self.taken == self.wanted:
                synchronise(recipe.device)
                self.seconds = time.perf_counter() - self.started
                self.trainer.should_stop = True

    module, loader = Adversarial(), recipe.loader()
    accelerator = {"cuda": "gpu"}.get(recipe.device.type, recipe.device.type)
    devices = 1 if recipe.device.index is None or recipe.device.type == "cpu" else [recipe.device.index]

    def contend(steps: int) -> Block:
        module.wanted, module.taken = steps, -1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice on workers and logging
            trainer = L.Trainer(barebones=True, accelerator=accelerator, devices=devices, max_epochs=-1)
            trainer.fit(module, loader)
        return Block(steps, module.seconds)

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return contend
