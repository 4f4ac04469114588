"""Where Hydra looks for sweepers."""
