"""Masks: which voxels of a tomogram are worth looking at."""
