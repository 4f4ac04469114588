"""A sweeper, in the namespace in which Hydra looks for them."""
