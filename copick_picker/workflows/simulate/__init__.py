"""Tomograms with ground truth."""
