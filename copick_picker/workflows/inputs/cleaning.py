"""Voxels that are no picture: NaN that may be filled, outliers that are drawn in."""

from dataclasses import dataclass

from copick_picker.core.segment.inspection import OUTLIER_SD, VolumeFacts, inspect_volume
from copick_picker.core.segment.volume import CleanedReader, PlaneReader
from copick_picker.settings.segment import CleaningSettings


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A tomogram as the networks see it.

    Attributes
    ----------
    volume : PlaneReader
        The tomogram.
    facts : VolumeFacts
        Of what the networks see.
    words : tuple of str
        What was done to it; empty: nothing.
    """

    volume: PlaneReader
    facts: VolumeFacts
    words: tuple[str, ...] = ()


def clipping(settings: CleaningSettings, *, own_recipe: bool) -> float | None:
    """Return how many standard deviations from the middle voxels may lie; None: as they please.

    Parameters
    ----------
    settings : CleaningSettings
        Settings of the command.
    own_recipe : bool
        Whether all models are of this package, whose recipe draws outliers in.
    """
    if settings.clip is not None:
        return settings.clip
    return OUTLIER_SD if own_recipe else None


def cleaned(
    volume: PlaneReader, facts: VolumeFacts, settings: CleaningSettings, *, own_recipe: bool
) -> Cleaned:
    """Return a tomogram with NaN filled and outliers drawn in, where that is wanted.

    Parameters
    ----------
    volume : PlaneReader
        The tomogram (z, y, x).
    facts : VolumeFacts
        Its figures.
    settings : CleaningSettings
        Settings of the command.
    own_recipe : bool
        Whether all models are of this package.
    """
    words = []
    filling = limits = None
    if settings.fill_nan and facts.n_not_finite and facts.spread > 0:
        filling = facts.middle
        words.append(f"{facts.n_not_finite:,} NaN or infinite voxels replaced with the median")
    sd = clipping(settings, own_recipe=own_recipe)
    is_far = settings.clip is not None or facts.n_outliers > 0
    if sd is not None and facts.spread > 0 and is_far:
        limits = (facts.middle - sd * facts.spread, facts.middle + sd * facts.spread)
        if limits[0] > facts.minimum or limits[1] < facts.maximum:
            number = f"{facts.n_outliers:,} voxels" if sd == OUTLIER_SD else "voxels"
            words.append(f"{number} beyond {sd:g} standard deviations clipped")
        else:
            limits = None
    if filling is None and limits is None:
        return Cleaned(volume, facts)
    clean = CleanedReader(volume, filling, limits)
    return Cleaned(clean, inspect_volume(clean, smoothing_voxels=None), tuple(words))


def doubts_about(facts: VolumeFacts, settings: CleaningSettings, *, own_recipe: bool) -> list[str]:
    """Return what the pre-flight says of voxels that are no picture.

    Parameters
    ----------
    facts : VolumeFacts
        Figures of a tomogram.
    settings : CleaningSettings
        Settings of the command.
    own_recipe : bool
        Whether all models are of this package.
    """
    doubts = []
    if facts.n_not_finite and settings.fill_nan:
        doubts.append(f"{facts.n_not_finite:,} voxels are NaN or infinite: filled with the median")
    if facts.n_outliers:
        what = f"{facts.n_outliers:,} voxels lie more than {OUTLIER_SD:g} standard deviations out"
        limit = clipping(settings, own_recipe=own_recipe)
        drawn_in = limit is not None and limit <= OUTLIER_SD
        doubts.append(
            f"{what} (gold, a detector fault): " + ("clipped" if drawn_in else "try --clip 20")
        )
    return doubts


def recorded_cleaning(settings: CleaningSettings) -> dict[str, float | bool]:
    """Return what of the settings goes into records: what was asked for.

    Parameters
    ----------
    settings : CleaningSettings
        Settings of the command.
    """
    found: dict[str, float | bool] = {}
    if settings.clip is not None:
        found["clip"] = settings.clip
    if settings.fill_nan:
        found["fill_nan"] = True
    return found
