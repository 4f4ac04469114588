"""Pictures of a run: samples, histograms, losses."""
