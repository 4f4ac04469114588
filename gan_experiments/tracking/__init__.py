"""Records of runs: the run's folder first, then progress, then trackers. Tracking never changes a result."""
