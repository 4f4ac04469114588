"""Who trains a sweep's runs."""
