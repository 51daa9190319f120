"""Phantoms and simulated tomograms with known truth."""
