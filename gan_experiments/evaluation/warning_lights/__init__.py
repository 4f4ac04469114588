"""One file a warning light."""
