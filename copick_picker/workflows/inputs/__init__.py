"""Inputs of a run: tomograms, masks, pick sets, annotations."""
