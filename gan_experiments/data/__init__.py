"""Data sets, each as one tensor, and the order in which samples are seen."""
