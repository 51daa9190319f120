"""Segmentations or probability volumes to scored picks."""

from copick_picker.core.localize.peak_stream import PeakStream, localize_slabs
from copick_picker.core.localize.picking import METHODS, LabelledSlab, localize, picks_of_slabs

__all__ = [
    "METHODS",
    "LabelledSlab",
    "PeakStream",
    "localize",
    "localize_slabs",
    "picks_of_slabs",
]
