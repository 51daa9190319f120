"""Tomograms at the voxel spacing that a model sees."""

from copick_picker.core.segment.resampling import ResampledReader
from copick_picker.core.segment.volume import LayeredReader, PlaneReader
from copick_picker.core.train.sources import KeptVolume, PlaneCache, StoredVolume
from copick_picker.project.store import LazyVolume
from copick_picker.settings.memory import KEPT_BYTES
from copick_picker.settings.segment import SPACING_SILENT
from copick_picker.workflows.inputs.preflight import in_layers


def seen_spacing(own: float, wanted: float | None) -> float:
    """Return the voxel spacing at which a model sees a tomogram.

    Parameters
    ----------
    own : float
        Voxel spacing of the tomogram in Angstrom.
    wanted : float or None
        That of the model.

    Returns
    -------
    float
        The tomogram's, if the model does not state its own or they differ by 1 % at most.
    """
    if wanted is None or abs(own - wanted) <= SPACING_SILENT * wanted:
        return own
    return wanted


def volume_at(volume: LazyVolume, own: float, wanted: float | None) -> StoredVolume:
    """Return a stored tomogram, resampled as it is read if the model sees another spacing.

    Parameters
    ----------
    volume : LazyVolume
        Stored tomogram (z, y, x).
    own : float
        Its voxel spacing in Angstrom.
    wanted : float or None
        That of the model.
    """
    seen = seen_spacing(own, wanted)
    return volume if seen == own else ResampledReader(in_layers(volume), seen / own)


def layered(volume: StoredVolume) -> LayeredReader:
    """Return a tomogram that is read in layers; a small one is kept in memory.

    Parameters
    ----------
    volume : StoredVolume
        As :func:`volume_at` returns it.
    """
    if not isinstance(volume, ResampledReader | KeptVolume):
        return in_layers(volume)  # type: ignore[arg-type]
    depth, height, width = volume.shape
    is_small = depth * height * width * volume.dtype.itemsize <= KEPT_BYTES
    reader: PlaneReader = volume
    return LayeredReader(reader, depth if is_small else volume.chunk_planes)


def kept(volume: StoredVolume, name: str, cache: PlaneCache) -> StoredVolume:
    """Return a volume that is not resampled again each time it is read; others as they are.

    Parameters
    ----------
    volume : StoredVolume
        As :func:`volume_at` returns it.
    name : str
        Name in the cache, such as that of its run.
    cache : PlaneCache
        Where its planes are kept.
    """
    return KeptVolume(name, volume, cache) if isinstance(volume, ResampledReader) else volume
