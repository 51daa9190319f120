"""Segmentations or probability volumes to scored picks."""

from copick_picker.core.localize.picking import METHODS, localize

__all__ = ["METHODS", "localize"]
