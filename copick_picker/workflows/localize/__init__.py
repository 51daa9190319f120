"""From segmentations to picks, and filtering of picks."""
