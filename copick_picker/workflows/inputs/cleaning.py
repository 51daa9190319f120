"""Voxels that are no picture: NaN that may be filled, outliers that are drawn in."""

from dataclasses import dataclass

from copick_picker.core.segment.inspection import (
    OUTLIER_SD,
    VolumeFacts,
    check_planes,
    check_voxels,
    inspect_volume,
)
from copick_picker.core.segment.volume import CleanedReader, PlaneReader
from copick_picker.records.keys import TomogramKey
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
    filling = facts.middle if _fills(facts, settings) else None
    limits = _limits(facts, settings, own_recipe=own_recipe)
    if filling is None and limits is None:
        return Cleaned(volume, facts)
    words = _words(facts, settings, own_recipe=own_recipe)
    clean = CleanedReader(volume, filling, limits)
    return Cleaned(clean, inspect_volume(clean, smoothing_voxels=None), tuple(words))


def _fills(facts: VolumeFacts, settings: CleaningSettings) -> bool:
    return settings.fill_nan and facts.n_not_finite > 0 and facts.spread > 0


def _limits(
    facts: VolumeFacts, settings: CleaningSettings, *, own_recipe: bool
) -> tuple[float, float] | None:
    """Return between which values voxels are drawn in; None where all lie there."""
    sd = clipping(settings, own_recipe=own_recipe)
    is_far = settings.clip is not None or facts.n_outliers > 0
    if sd is None or facts.spread <= 0 or not is_far:
        return None
    limits = (facts.middle - sd * facts.spread, facts.middle + sd * facts.spread)
    return limits if limits[0] > facts.minimum or limits[1] < facts.maximum else None


def _words(facts: VolumeFacts, settings: CleaningSettings, *, own_recipe: bool) -> list[str]:
    """Return what is done to a tomogram: the same before and after, so that it is said once."""
    words = []
    if _fills(facts, settings):
        words.append(f"{facts.n_not_finite:,} NaN or infinite voxels are replaced with the median")
    if _limits(facts, settings, own_recipe=own_recipe) is not None:
        sd = clipping(settings, own_recipe=own_recipe)
        number = f"{facts.n_outliers:,} voxels" if sd == OUTLIER_SD else "voxels"
        words.append(
            f"{number} beyond {sd:g} standard deviations (gold, a detector fault) are clipped"
        )
    return words


def check_fit(
    facts: VolumeFacts, settings: CleaningSettings, *, run_name: str, key: TomogramKey
) -> None:
    """Raise where a tomogram's voxels cannot be segmented, even after what is done to them.

    Parameters
    ----------
    facts : VolumeFacts
        Figures of the tomogram as it is stored.
    settings : CleaningSettings
        Settings of the command.
    run_name : str
        The run, for the message.
    key : TomogramKey
        The tomogram, for the message.

    Raises
    ------
    DataError
        If voxels are not finite and not to be filled, whole planes hold nothing to fill them by,
        or all voxels are equal.
    """
    if settings.fill_nan and facts.n_not_finite:
        check_planes(facts, run_name=run_name, key=key)
    else:
        check_voxels(facts, run_name=run_name, key=key)


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
    doubts = _words(facts, settings, own_recipe=own_recipe)
    limit = clipping(settings, own_recipe=own_recipe)
    if facts.n_outliers and (limit is None or limit > OUTLIER_SD):
        doubts.append(
            f"{facts.n_outliers:,} voxels lie more than {OUTLIER_SD:g} standard deviations out "
            "(gold, a detector fault): try --clip 20"
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
