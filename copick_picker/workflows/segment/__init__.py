"""Tomograms to segmentations."""
