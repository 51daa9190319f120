"""Segmentations or probability volumes to scored picks."""

from copick_picker.core.localize.peak_stream import PeakStream, localize_slabs
from copick_picker.core.localize.picking import METHODS, localize

__all__ = ["METHODS", "PeakStream", "localize", "localize_slabs"]
