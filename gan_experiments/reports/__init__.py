"""Finished runs side by side: which setting won, by how much, and whether that is noise."""
