"""Where runs are shown besides their folders: one module a tracker, behind the interface of tracker.py."""
