"""Shared by ``export``, ``import`` and ``filter``: pick sets, box and limits of a run."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.geometry import box_angstrom, middle_angstrom
from copick_picker.core.localize.limits import limited
from copick_picker.core.localize.quantiles import best_score, quantile_thresholds
from copick_picker.core.masks.run_mask import RunMask
from copick_picker.errors import CopickPickerError, SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job
from copick_picker.jobs.selection import check_object_names
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import tomogram_query
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import PickLimits, PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.job import EVERY
from copick_picker.settings.limits import LimitedSettings
from copick_picker.workflows.inputs.masks import check_mask, load_mask

FloatArray = npt.NDArray[np.float64]
_LOWEST = -np.finfo(np.float64).max
_LEAST_SUSPICIOUS = 2.0
_FEW = 10


@dataclass(frozen=True)
class TomogramBox:
    """Size of a run's tomogram.

    Attributes
    ----------
    key : TomogramKey
        The tomogram.
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


@dataclass(frozen=True)
class Limited:
    """The pick sets of a run, by object name, after the limits.

    Attributes
    ----------
    kept : mapping
        Picks that pass.
    dropped : mapping
        Reason -> number of those that do not.
    mask : RunMask or None
        Mask outside of which picks were dropped.
    """

    kept: Mapping[str, PickSet]
    dropped: Mapping[str, Mapping[str, int]]
    mask: RunMask | None

    @property
    def text(self) -> str:
        """Numbers kept and dropped, in words."""
        return ", ".join(
            f"{name} {len(picks)}{_dropped_text(self.dropped[name])}"
            for name, picks in self.kept.items()
        )

    @property
    def details(self) -> dict[str, Any]:
        """The same, for ``--json``."""
        return {
            "objects": {
                name: {"picks": len(picks), "dropped": dict(self.dropped[name])}
                for name, picks in self.kept.items()
            }
        }


def sets_of_run(
    picks: Input[PicksKey], run_name: str, objects: tuple[str, ...]
) -> dict[str, PicksKey]:
    """Return the one pick set of each object that a URI matches.

    Parameters
    ----------
    picks : Input
        The URI.
    run_name : str
        The run.
    objects : tuple of str
        Objects to keep; empty means all.

    Raises
    ------
    SettingsError
        If the URI matches two sets of one object.
    """
    found: dict[str, PicksKey] = {}
    for key in picks.keys(run_name):
        if objects and key.object_name not in objects:
            continue
        if key.object_name in found:
            both = f"{found[key.object_name]} and {key}"
            msg = f"run {run_name}: '{picks.query.uri}' matches {both}; choose one user and session"
            raise SettingsError(msg)
        found[key.object_name] = key
    return found


def check_one_set_each(keys: Sequence[PicksKey], what: str, *, advice: str) -> None:
    """Raise if an object has several pick sets.

    Parameters
    ----------
    keys : sequence of PicksKey
        Pick sets of one run.
    what : str
        The run, and the URI that matches them, for the message.
    advice : str
        What to do instead.

    Raises
    ------
    SettingsError
        With the sets of the first such object.
    """
    numbers = Counter(key.object_name for key in keys)
    twice = sorted(name for name, number in numbers.items() if number > 1)
    if twice:
        several = [key for key in keys if key.object_name == twice[0]]
        msg = f"{what} {len(several)} sets of {twice[0]}: {choices_text(several)}; {advice}"
        raise SettingsError(msg)


def box_of_run(store: ProjectStore, run_name: str, uri: str) -> TomogramBox:
    """Return the size of a run's tomogram.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    uri : str
        Tomogram URI; it may match several tomograms of one spacing and shape.

    Raises
    ------
    UnknownNameError
        If the run has no such tomogram.
    SettingsError
        If it matches several of different size.
    """
    keys = store.tomograms(run_name)
    boxes = [
        TomogramBox(key, _three(store.open_tomogram(run_name, key).shape))
        for key in tomogram_query(uri).matching(keys)
    ]
    if not boxes:
        msg = f"run {run_name} has no tomogram '{uri}'; it has: {choices_text(keys)}"
        raise UnknownNameError(msg)
    if len({(box.key.voxel_spacing, box.shape_zyx) for box in boxes}) > 1:
        choices = choices_text(box.key for box in boxes)
        msg = f"run {run_name}: '{uri}' matches tomograms of several sizes: {choices}; choose one"
        raise SettingsError(msg)
    return boxes[0]


def voxels_suspected(store: ProjectStore, run_name: str, picks: PickSet) -> str:
    """Return what suggests that positions are in voxels where Angstrom are meant; empty if nothing.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    picks : PickSet
        Its picks.
    """
    keys = [key for key in store.tomograms(run_name) if key.voxel_spacing > _LEAST_SUSPICIOUS]
    if not keys or len(picks) < _FEW:
        return ""
    key = min(keys, key=lambda each: each.voxel_spacing)
    try:
        z, y, x = store.open_tomogram(run_name, key).shape
    except CopickPickerError:
        return ""  # a tomogram that nobody needs here
    largest = picks.points_xyz.max(axis=0)
    if (largest > (x, y, z)).any():
        return ""
    return (
        f"no pick lies beyond {largest.max():.0f} A, and the tomogram {key} has {z} x {y} x "
        f"{x} voxels (z, y, x): if positions are in voxels, convert them to Angstrom"
    )


def check_limits(job: Job[LimitedSettings]) -> None:
    """Raise if a limit names an unknown object, no run has the tomogram, or the mask is missing.

    Parameters
    ----------
    job : Job
        The job whose settings hold the limits.
    """
    job.check_objects("objects")
    for field in ("min_score", "top", "quantile", "min_distance"):
        given = [name for name in getattr(job.settings, field) if name != EVERY]
        check_object_names(given, job.specs, "--" + field.replace("_", "-"))
    check_mask(job.settings.mask)
    if job.settings.tomogram != "*":
        job.tomograms(job.settings.tomogram).check_any(job.run_names)
    if job.settings.quantile and job.settings.shard:
        msg = "--quantile needs the scores of all runs and cannot be combined with --shard"
        raise SettingsError(msg)


def limited_run(
    job: Job[LimitedSettings],
    run_name: str,
    sets: Mapping[str, PickSet],
    box: TomogramBox | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Limited:
    """Return the picks that pass the limits of the settings; the mask is applied first.

    Parameters
    ----------
    job : Job
        The job whose settings hold the limits.
    run_name : str
        The run.
    sets : mapping
        Object name -> picks of the run.
    box : TomogramBox, optional
        Size of the tomogram, if known.
    thresholds : mapping, optional
        Object name -> lowest score kept by ``--quantile``, see ``thresholds_of_runs``.
    """
    settings = job.settings
    if box is None and settings.needs_box:
        box = box_of_run(job.store, run_name, settings.tomogram)
    mask, masked, outside = None, dict(sets), dict.fromkeys(sets, 0)
    if settings.mask is not None and box is not None:
        mask = load_mask(
            job.store,
            run_name,
            settings.mask,
            shape_zyx=box.shape_zyx,
            spacing=box.key.voxel_spacing,
            warn=job.reporter.warn,
        )
    if mask is not None:
        for name, picks in sets.items():
            good = mask.distances(picks) >= settings.mask_margin
            masked[name], outside[name] = picks.chosen(good), int((~good).sum())
    kept, dropped = limited(
        masked,
        {
            name: _at_least(limits, (thresholds or {}).get(name, -np.inf))
            for name, limits in settings.limits(sets).items()
        },
        between_angstrom=settings.between_distance_angstrom,
        border_angstrom=settings.border_margin_angstrom,
        last_xyz=None if box is None else box.last_xyz,
    )
    if mask is not None:
        for name, count in outside.items():
            dropped[name]["outside mask"] = count
    return Limited(kept, dropped, mask)


def thresholds_of_runs(
    job: Job[LimitedSettings], sets_of: Callable[[str], Mapping[str, PickSet]]
) -> dict[str, float]:
    """Return the lowest score that ``--quantile`` keeps of each object; empty without the option.

    The best picks of all runs of the job decide, after every limit but ``--top``. A run that cannot
    be read is left out here and fails later, when it is processed.

    Parameters
    ----------
    job : Job
        The job whose settings hold the limits.
    sets_of : callable
        Returns object name -> picks of a run; empty for a run without.
    """
    if not job.settings.quantile:
        return {}
    runs = []
    for run_name in job.run_names:
        limited = guarded(run_name, lambda name: limited_run(job, name, sets_of(name)))
        if isinstance(limited, RunOutcome):
            job.reporter.warn(f"--quantile: run {run_name} is left out: {limited.message}")
        else:
            runs.append(limited.kept)
    shares = job.settings.shares(sorted({name for sets in runs for name in sets}))
    thresholds = quantile_thresholds(runs, shares)
    for name, threshold in thresholds.items():
        best = [best_score(sets[name]) for sets in runs if name in sets]
        kept = sum(score >= max(threshold, _LOWEST) for score in best)
        text = f"score {threshold:.4g}" if np.isfinite(threshold) else "no threshold"
        job.reporter.note(
            f"{name}: quantile {shares[name]:g} of {len(best)} runs: {text}; {kept} keep picks"
        )
    return thresholds


def _at_least(limits: PickLimits, threshold: float) -> PickLimits:
    if not np.isfinite(threshold):
        return limits
    least = threshold if limits.min_score is None else max(limits.min_score, threshold)
    return replace(limits, min_score=least)


def _dropped_text(dropped: Mapping[str, int]) -> str:
    """Return the reasons and numbers in words, empty if nothing was dropped."""
    words = [f"{count} {reason}" for reason, count in dropped.items() if count]
    return f" (dropped: {', '.join(words)})" if words else ""


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    z, y, x = shape
    return z, y, x
