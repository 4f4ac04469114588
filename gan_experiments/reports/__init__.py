"""Finished runs beside each other: which setting won, by how much, and whether that is noise."""
