"""Segmentations or probability volumes to scored picks."""

from copick_picker.core.localize.peak_stream import PeakStream, localize_slabs
from copick_picker.core.localize.picking import METHODS, LabelledSlab, localize, picks_of_slabs
from copick_picker.core.localize.points import PointReader

__all__ = [
    "METHODS",
    "LabelledSlab",
    "PeakStream",
    "PointReader",
    "localize",
    "localize_slabs",
    "picks_of_slabs",
]
