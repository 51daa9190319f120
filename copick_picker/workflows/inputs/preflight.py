"""Checks of the runs before the work starts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from copick_picker.core.segment.inspection import VolumeFacts, inspect_volume
from copick_picker.core.segment.volume import LayeredReader, layer_planes
from copick_picker.errors import SettingsError, UnknownNameError
from copick_picker.jobs.execution import guarded
from copick_picker.jobs.inputs import Input
from copick_picker.jobs.job import Job
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.store import LazyVolume
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.job import JobSettings
from copick_picker.settings.memory import KEPT_BYTES, LAYER_BYTES
from copick_picker.settings.segment import (
    CONTRAST_LEAST_SKEWNESS,
    CONTRAST_SMOOTHING_VOXELS,
    SPACING_LIMIT,
    SPACING_SILENT,
    CleaningSettings,
)
from copick_picker.workflows.inputs.cleaning import check_fit, doubts_about


@dataclass(frozen=True)
class Preflight:
    """What is known about a run's tomogram before it is segmented.

    Attributes
    ----------
    run_name : str
        The run.
    key : TomogramKey or None
        Its tomogram; None if there is none to work on.
    shape_zyx : tuple of int or None
        Shape of the tomogram.
    data_type : str
        Type of its voxels as stored.
    looks : str
        ``dark``, ``bright``, ``unclear`` or ``not looked at``.
    doubts : tuple of str
        Warnings.
    failure : str
        Why the run cannot be segmented; empty if it can.
    absent : bool
        There is no such tomogram and the user did not name the run.
    facts : VolumeFacts or None
        Statistics of its voxels, if they were read.
    """

    run_name: str
    key: TomogramKey | None = None
    shape_zyx: tuple[int, ...] | None = None
    data_type: str = ""
    looks: str = "not looked at"
    doubts: tuple[str, ...] = ()
    failure: str = ""
    absent: bool = False
    facts: VolumeFacts | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said again at the end, and recorded: what is true of this run alone."""
        return tuple(doubt for doubt in self.doubts if doubt != _NO_SPACING)

    def row(self) -> tuple[str, ...]:
        """Return the run's row of the pre-flight table."""
        shape = " x ".join(str(size) for size in self.shape_zyx or ()) or "-"
        verdict = self.failure or "; ".join(self.doubts) or ("absent" if self.absent else "ok")
        return (
            self.run_name,
            str(self.key or "-"),
            shape,
            self.data_type or "-",
            self.looks,
            verdict,
        )


_NO_SPACING = "the model does not say its spacing"
COLUMNS = ("run", "tomogram", "voxels (z, y, x)", "type", "contrast", "verdict")


@dataclass(frozen=True)
class Wanted:
    """What a model and the user expect of a tomogram.

    Attributes
    ----------
    voxel_spacing : float or None
        The model's spacing; None if the model does not state it.
    contrast : str
        ``dark`` or ``bright``: contrast of the training data.
    stated_contrast : str
        Contrast of the tomograms as the user says: ``auto``, ``dark`` or ``bright``.
    rescale : bool
        Whether to resample a different spacing.
    cleaning : CleaningSettings or None
        What becomes of voxels that are no picture.
    own_recipe : bool
        Whether all models are of this package.
    """

    voxel_spacing: float | None
    contrast: str
    stated_contrast: str
    rescale: bool
    cleaning: CleaningSettings | None = None
    own_recipe: bool = False


def inspect_runs(
    job: Job[JobSettings], tomograms: Input[TomogramKey], wanted: Wanted, *, n_looked_at: int
) -> list[Preflight]:
    """Return a pre-flight for every run; nothing raises, a bad run records its failure.

    Parameters
    ----------
    job : Job
        The project and its runs.
    tomograms : Input
        The tomograms to segment.
    wanted : Wanted
        What the model and the user expect.
    n_looked_at : int
        Number of runs, from the first on, whose voxels are read.
    """
    checks = []
    for number, run_name in enumerate(job.run_names):
        look = number < n_looked_at
        check = guarded(run_name, partial(_inspect_named, job, tomograms, wanted, look=look))
        if isinstance(check, RunOutcome):
            check = Preflight(run_name, failure=check.message)
        checks.append(check)
    return checks


def _inspect_named(
    job: Job[JobSettings],
    tomograms: Input[TomogramKey],
    wanted: Wanted,
    run_name: str,
    *,
    look: bool,
) -> Preflight | RunOutcome:
    key = job.find(tomograms, run_name)
    if isinstance(key, RunOutcome):
        return Preflight(run_name, absent=True)
    return _inspect_run(job, run_name, key, wanted, look=look)


def in_layers(volume: LazyVolume) -> LayeredReader:
    """Return a stored tomogram that is read in layers of whole chunks, or at once if small.

    Parameters
    ----------
    volume : LazyVolume
        Stored tomogram (z, y, x).
    """
    plane_bytes = math.prod(volume.shape[1:]) * volume.dtype.itemsize
    planes = layer_planes(
        volume.shape[0],
        chunk_planes=volume.chunk_planes,
        plane_bytes=plane_bytes,
        kept_bytes=KEPT_BYTES,
        layer_bytes=LAYER_BYTES,
    )
    return LayeredReader(volume, planes)


def show(checks: Sequence[Preflight], reporter: Reporter) -> None:
    """Show the pre-flight of all runs as one table.

    Parameters
    ----------
    checks : sequence of Preflight
        The checks.
    reporter : Reporter
        Receives the table.
    """
    if checks:
        reporter.table("Pre-flight", COLUMNS, [check.row() for check in checks])


def spacing_verdict(spacing: float, wanted: float | None, *, rescale: bool) -> str:
    """Return a warning about a tomogram's voxel spacing, empty if it is fine.

    Parameters
    ----------
    spacing : float
        Voxel spacing of the tomogram in Angstrom.
    wanted : float or None
        Voxel spacing of the model in Angstrom.
    rescale : bool
        Whether the tomogram will be resampled.

    Raises
    ------
    SettingsError
        If they differ too much and the tomogram is not resampled.
    """
    if wanted is None:
        return _NO_SPACING
    difference = abs(spacing - wanted) / wanted
    if difference <= SPACING_SILENT:
        return ""
    text = f"spacing is {spacing:g} A, the model's {wanted:g} A"
    if rescale:
        return f"{text}: resampled"
    if difference <= SPACING_LIMIT:
        return text
    msg = f"{text}: use a tomogram of that spacing, or --rescale"
    raise SettingsError(msg)


def _inspect_run(
    job: Job[JobSettings], run_name: str, key: TomogramKey, wanted: Wanted, *, look: bool
) -> Preflight:
    doubt = spacing_verdict(key.voxel_spacing, wanted.voxel_spacing, rescale=wanted.rescale)
    doubts = [doubt] if doubt else []
    volume = job.store.open_tomogram(run_name, key)
    if len(volume.shape) != 3 or 0 in volume.shape:
        msg = f"run {run_name}: {key} has shape {volume.shape}; expected (z, y, x)"
        raise UnknownNameError(msg)
    doubts += [trouble.text for trouble in volume.troubles]
    looks, facts = "not looked at", None
    if look:
        facts = inspect_volume(in_layers(volume), smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
        cleaning = wanted.cleaning or CleaningSettings()
        check_fit(facts, cleaning, run_name=run_name, key=key)
        doubts += doubts_about(facts, cleaning, own_recipe=wanted.own_recipe)
        looks = facts.looks(CONTRAST_LEAST_SKEWNESS)
        doubts += _contrast_doubts(looks, wanted)
    return Preflight(
        run_name,
        key,
        shape_zyx=volume.shape,
        data_type=str(volume.dtype),
        looks=looks,
        doubts=tuple(doubts),
        facts=facts,
    )


def _contrast_doubts(looks: str, wanted: Wanted) -> list[str]:
    stated = wanted.contrast if wanted.stated_contrast == "auto" else wanted.stated_contrast
    if looks in ("unclear", stated):
        return []
    if wanted.stated_contrast == "auto":
        return [f"protein looks {looks}, the model saw it {stated}: try --contrast {looks}"]
    return [f"protein looks {looks}, but --contrast says {stated}"]
