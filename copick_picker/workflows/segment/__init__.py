"""From tomograms to segmentations."""
