"""Launchers: where and how a sweep's runs are trained."""
