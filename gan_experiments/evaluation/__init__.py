"""Scores of a generator, one file a metric, and warning lights, one file each."""
