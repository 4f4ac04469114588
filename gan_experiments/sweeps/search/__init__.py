"""Searches with Optuna: sweeps whose next runs depend on the scores of earlier ones."""
