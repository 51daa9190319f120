"""Tomograms to picks in one pass."""
