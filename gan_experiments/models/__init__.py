"""The networks: ordinary modules, one file an architecture."""
