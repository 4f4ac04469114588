"""Experiments with generative adversarial networks: Hydra configures, PyTorch trains, MLflow compares."""

__version__ = "0.1.0"
