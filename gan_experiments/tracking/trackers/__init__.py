"""Trackers, which show runs to users: one module each, behind the interface of tracker.py."""
