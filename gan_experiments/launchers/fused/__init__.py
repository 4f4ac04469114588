"""Runs that differ only in values, trained as one program."""
