"""Inception's features: the network that published FIDs are measured with."""

from __future__ import annotations

from urllib.error import URLError

import torch
from torch import Tensor

from gan_experiments.errors import UserError

_BATCH = 50


class Inception:
    """The Inception-v3 of the FID (Heusel et al., 2017), as torch-fidelity ports it.

    Raises:
        UserError: torch-fidelity is not installed, or its weights cannot be had.
    """

    kind = "inception"
    version = "inception-v3-compat"
    classes = channels = None

    def __init__(self) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (  # pyright: ignore[reportMissingImports]
                FeatureExtractorInceptionV3,
            )
        except ModuleNotFoundError as error:
            raise UserError(
                "evaluate.features=inception: needs torch-fidelity; pip install 'gan-experiments[inception]', "
                "or take evaluate.features=classifier"
            ) from error
        try:
            self._network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
        except (URLError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"evaluate.features=inception: its weights could not be fetched ({reason}); "
                "take evaluate.features=classifier, which needs no network"
            ) from error
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> Inception:
        """Move it to ``device``, and return it."""
        self._network.to(device)
        self._device = device
        return self

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, None]:
        """Return features float32 ``[N, 2048]`` of grey or colour images uint8 ``[N, C, H, W]``, and no classes."""
        batches = images.expand(-1, 3, -1, -1).split(_BATCH)
        return torch.cat([self._network(batch.to(self._device))[0] for batch in batches]), None
