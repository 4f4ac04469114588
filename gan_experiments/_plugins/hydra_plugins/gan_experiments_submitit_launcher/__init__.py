"""A launcher, in the namespace in which Hydra looks for them."""
