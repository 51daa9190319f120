"""Segmentations or probability volumes to scored picks."""
