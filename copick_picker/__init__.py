"""Find particles in cryo-electron tomograms of a copick project."""

from copick_picker._version import __version__

__all__ = ["__version__"]
