"""Many runs as one thing: the sweep's frame around Hydra's jobs, its report, and going on with it."""
