"""A sweep's runs as jobs of a cluster, or of this machine, through submitit or Ray."""
