"""What ``export``, ``import`` and ``filter`` share: a run's pick sets, its box, its limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import box_angstrom, middle_angstrom
from copick_picker.core.localize.limits import limited
from copick_picker.errors import SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.execution import check_object_names
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import matching
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickSet
from copick_picker.settings.limits import EVERY, LimitSettings
from copick_picker.workflows.inputs.masks import RunMask, load_mask

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TomogramBox:
    """Size of a run's tomogram.

    Attributes
    ----------
    key : TomogramKey
        Which tomogram said so.
    shape_zyx : tuple of int
        Its shape.
    """

    key: TomogramKey
    shape_zyx: tuple[int, int, int]

    @property
    def last_xyz(self) -> FloatArray:
        """Return the position (x, y, z) of the last voxel in Angstrom."""
        return box_angstrom(self.shape_zyx, self.key.voxel_spacing)

    @property
    def middle_xyz(self) -> FloatArray:
        """Return half the size (x, y, z) in Angstrom."""
        return middle_angstrom(self.shape_zyx, self.key.voxel_spacing)

    @property
    def middle_voxel_xyz(self) -> FloatArray:
        """Return the position of voxel n // 2 along each axis, EMAN2's centre."""
        z, y, x = (size - size % 2 for size in self.shape_zyx)
        return middle_angstrom((z, y, x), self.key.voxel_spacing)


def sets_of_run(
    store: ProjectStore, run_name: str, uri: str, objects: tuple[str, ...]
) -> dict[str, PicksKey]:
    """Return the one pick set of each object that a URI means.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    uri : str
        Picks URI.
    objects : tuple of str
        Objects to keep; empty means all.

    Raises
    ------
    SettingsError
        If the URI means two sets of one object.
    """
    found: dict[str, PicksKey] = {}
    for key in matching(store.picks(run_name), uri, "picks"):
        if objects and key.object_name not in objects:
            continue
        if key.object_name in found:
            both = f"{found[key.object_name]} and {key}"
            msg = f"run {run_name}: '{uri}' means {both}; name one user and session"
            raise SettingsError(msg)
        found[key.object_name] = key
    return found


def box_of_run(store: ProjectStore, run_name: str, uri: str) -> TomogramBox:
    """Return the size of a run's tomogram.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    uri : str
        Tomogram URI; several tomograms of one spacing and shape will do.

    Raises
    ------
    UnknownNameError
        If the run has no such tomogram.
    SettingsError
        If several of different size are meant.
    """
    keys = store.tomograms(run_name)
    boxes = [
        TomogramBox(key, _three(store.open_tomogram(run_name, key).shape))
        for key in matching(keys, uri, "tomogram")
    ]
    if not boxes:
        msg = f"run {run_name} has no tomogram '{uri}'; it has: {choices_text(keys)}"
        raise UnknownNameError(msg)
    if len({(box.key.voxel_spacing, box.shape_zyx) for box in boxes}) > 1:
        choices = choices_text(box.key for box in boxes)
        msg = f"run {run_name}: '{uri}' means tomograms of several sizes: {choices}; name one"
        raise SettingsError(msg)
    return boxes[0]


def check_limit_names(settings: LimitSettings, names: Mapping[str, object]) -> None:
    """Raise where a limit names an object that the project has not.

    Parameters
    ----------
    settings : LimitSettings
        The limits.
    names : mapping
        The project's objects by name.
    """
    for option in ("min_score", "top", "min_distance"):
        given = [name for name in getattr(settings, option) if name != EVERY]
        check_object_names(given, names, "--" + option.replace("_", "-"))  # type: ignore[arg-type]


def mask_of_run(
    store: ProjectStore,
    run_name: str,
    settings: LimitSettings,
    box: TomogramBox | None,
    warn: Callable[[str], None],
) -> RunMask | None:
    """Return the mask of a run, None where none is asked for.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    settings : LimitSettings
        Which mask.
    box : TomogramBox or None
        Size of the tomogram, with which the mask's must agree.
    warn : callable
        Where it is said that the mask is on another grid.
    """
    if settings.mask is None or box is None:
        return None
    return load_mask(
        store,
        run_name,
        settings.mask,
        shape_zyx=box.shape_zyx,
        spacing=box.key.voxel_spacing,
        warn=warn,
    )


def limited_sets(
    sets: Mapping[str, PickSet],
    settings: LimitSettings,
    box: TomogramBox | None,
    mask: RunMask | None,
) -> tuple[dict[str, PickSet], dict[str, dict[str, int]]]:
    """Return what passes the limits of the settings, and what was dropped; the mask comes first.

    Parameters
    ----------
    sets : mapping
        Object name -> picks of one run.
    settings : LimitSettings
        The limits.
    box : TomogramBox or None
        Size of the tomogram; needed with a border.
    mask : RunMask or None
        Picks outside of it are dropped.
    """
    masked, outside = dict(sets), dict.fromkeys(sets, 0)
    if mask is not None:
        for name, picks in sets.items():
            good = mask.distances(picks) >= settings.mask_margin
            masked[name], outside[name] = picks.chosen(good), int((~good).sum())
    kept, dropped = limited(
        masked,
        settings.limits(sets),
        between_angstrom=settings.between_distance_angstrom,
        border_angstrom=settings.border_margin_angstrom,
        last_xyz=None if box is None else box.last_xyz,
    )
    if mask is not None:
        for name, count in outside.items():
            dropped[name]["outside mask"] = count
    return kept, dropped


def dropped_text(dropped: Mapping[str, int]) -> str:
    """Return the reasons and numbers in words, empty where nothing fell.

    Parameters
    ----------
    dropped : mapping
        Reason -> number.
    """
    words = [f"{count} {reason}" for reason, count in dropped.items() if count]
    return f" (dropped: {', '.join(words)})" if words else ""


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    z, y, x = shape
    return z, y, x
