"""Tomograms with known truth."""
