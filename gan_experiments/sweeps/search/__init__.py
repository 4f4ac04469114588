"""A sweep whose next runs depend on the scores of those before: a search, by Optuna."""
