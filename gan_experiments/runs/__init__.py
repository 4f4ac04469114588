"""One run, from its composed configuration to its last line."""
