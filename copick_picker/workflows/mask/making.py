"""Make masks from tomograms and segmentations: for every run, one segmentation of 0 and 1."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.masks.distances import grown
from copick_picker.core.masks.gold import GoldRules, gold_beads
from copick_picker.core.masks.grids import BoolVolume, within_edges
from copick_picker.core.masks.lamella import LamellaRules, lamella_mask
from copick_picker.core.segment.cleaning import (
    hull_of_volume,
    hulls_of_planes,
    largest_component,
)
from copick_picker.core.segment.inspection import check_voxels, inspect_volume
from copick_picker.errors import DataError, SettingsError, choices_text
from copick_picker.jobs.inputs import Input, Key
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import digest, new_record
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.store import OutputKey, ProjectStore, Provenance
from copick_picker.project.uris import SegmentationOutput, segmentation_output
from copick_picker.records.keys import SegmentationKey, TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.mask import (
    DEFAULT_NAME,
    GOLD_LARGEST_INNER,
    GOLD_LARGEST_VOLUME,
    GOLD_LEAST_INNER,
    GOLD_LEAST_VOLUME,
    ExcludeEdgesSettings,
    FromLabelsSettings,
    GoldSettings,
    LamellaSettings,
    MaskSettings,
)
from copick_picker.settings.segment import CONTRAST_SMOOTHING_VOXELS
from copick_picker.workflows.inputs.masks import check_mask, load_mask, mask_record
from copick_picker.workflows.inputs.object_labels import read_labels

Source = TomogramKey | SegmentationKey
Maker = Callable[[ProjectStore, str, Source], tuple[BoolVolume, str]]
"""Store, run and input -> the mask and a remark for the summary, possibly empty."""
_HULLS = {"planes": hulls_of_planes, "volume": hull_of_volume}


@summarised
def make_lamella(settings: LamellaSettings, *, reporter: Reporter) -> Summary:
    """Find the specimen of every tomogram and return the outcome of every run.

    Parameters
    ----------
    settings : LamellaSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    rules = LamellaRules(
        detail_angstrom=settings.detail,
        texture_angstrom=settings.texture,
        surface_angstrom=settings.smoothing,
        least_ratio=settings.least_ratio,
    )

    def make(store: ProjectStore, run_name: str, key: Source) -> tuple[BoolVolume, str]:
        volume = _tomogram(store, run_name, key)
        return lamella_mask(volume, voxel_spacing=key.voxel_spacing, rules=rules), ""

    return _make_masks("mask lamella", settings, make, reporter=reporter)


@summarised
def make_from_labels(settings: FromLabelsSettings, *, reporter: Reporter) -> Summary:
    """Make masks from labels of segmentations and return the outcome of every run.

    Parameters
    ----------
    settings : FromLabelsSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """

    def make(store: ProjectStore, run_name: str, key: Source) -> tuple[BoolVolume, str]:
        if not isinstance(key, SegmentationKey):
            msg = f"run {run_name}: {key} is not a segmentation"
            raise DataError(msg)
        values = read_labels(store, run_name, key)
        chosen = _values(settings.labels, store.segmentation_labels(run_name, key))
        inside = np.isin(values, chosen) if settings.labels else values != 0
        if settings.largest:
            inside = largest_component(inside)
        if settings.hull is not None and inside.any():
            inside = _HULLS[settings.hull](inside)
        inside = grown(inside, voxel_spacing=key.voxel_spacing, by_angstrom=settings.grow)
        return ~inside if settings.invert else inside, ""

    return _make_masks("mask from-labels", settings, make, reporter=reporter)


@summarised
def make_exclude_edges(settings: ExcludeEdgesSettings, *, reporter: Reporter) -> Summary:
    """Make masks without the edges of tomograms and return the outcome of every run.

    Parameters
    ----------
    settings : ExcludeEdgesSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    margins = (settings.margin_z, settings.margin_xy, settings.margin_xy)

    def make(store: ProjectStore, run_name: str, key: Source) -> tuple[BoolVolume, str]:
        z, y, x = store.open_tomogram(run_name, _tomogram_key(key, run_name)).shape
        return within_edges((z, y, x), key.voxel_spacing, margins_zyx=margins), ""

    return _make_masks("mask exclude-edges", settings, make, reporter=reporter)


@summarised
def make_gold(settings: GoldSettings, *, reporter: Reporter) -> Summary:
    """Make masks without the gold beads of tomograms and return the outcome of every run.

    Parameters
    ----------
    settings : GoldSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """
    rules = GoldRules(
        radius_angstrom=settings.radius,
        least_score=settings.least_score,
        least_volume=GOLD_LEAST_VOLUME,
        largest_volume=GOLD_LARGEST_VOLUME,
        least_inner=GOLD_LEAST_INNER,
        largest_inner=GOLD_LARGEST_INNER,
        dark=settings.contrast == "dark",
    )

    def make(store: ProjectStore, run_name: str, key: Source) -> tuple[BoolVolume, str]:
        volume = _tomogram(store, run_name, key)
        beads, count = gold_beads(volume, voxel_spacing=key.voxel_spacing, rules=rules)
        wide = grown(beads, voxel_spacing=key.voxel_spacing, by_angstrom=settings.grow)
        return ~wide, f"; {count} beads or clumps left out"

    return _make_masks("mask gold", settings, make, reporter=reporter)


@dataclass(frozen=True)
class _MaskMaking:
    """The recipe of the commands that make masks."""

    job: Job[MaskSettings]
    find: Callable[[str], Source | RunOutcome]
    make_mask: Maker
    output: SegmentationOutput

    def plan(self, run_name: str) -> Plan[Source] | RunOutcome:
        """Return the mask to make for a run."""
        source = self.find(run_name)
        if isinstance(source, RunOutcome):
            return source
        key = self.output.key(run_name, source.voxel_spacing)
        records: dict[OutputKey, Provenance] = {key: self._record(run_name, source)}
        if self.job.settings.dry_run and isinstance(self.job.settings, ExcludeEdgesSettings):
            _check_not_empty(run_name, self.make_mask(self.job.store, run_name, source)[0])
        return Plan(source, records, f"{key} is complete", f"{source} -> {key}")

    def make(self, run_name: str, plan: Plan[Source], missing: Collection[OutputKey]) -> RunOutcome:
        """Make the mask of one run and write it."""
        source, job = plan.given, self.job
        inside, remark = self.make_mask(job.store, run_name, source)
        within = load_mask(
            job.store,
            run_name,
            job.settings.within,
            shape_zyx=inside.shape,
            spacing=source.voxel_spacing,
            warn=job.reporter.warn,
        )
        if within is not None:
            inside = inside & within.on(inside.shape, source.voxel_spacing)
        _check_not_empty(run_name, inside)
        z, y, x = inside.shape
        written = [
            job.write_segmentation(
                run_name,
                key,
                [(0, inside.astype(np.uint8))],
                shape_zyx=(z, y, x),
                record=plan.records[key],
            )
            for key in missing
            if isinstance(key, SegmentationKey)
        ]
        (key,) = plan.records
        share = float(inside.mean())
        details = {"input": str(source), "output": str(key), "inside_share": share}
        text = f"{key}: {share:.1%} inside{remark}"
        return job.finished(run_name, written, key, text, details)

    def _record(self, run_name: str, source: Source) -> dict[str, Any]:
        job, made_from = self.job, dict[str, Any](uri=str(source))
        if isinstance(source, SegmentationKey):
            made_from["record"] = digest(job.store.segmentation_provenance(run_name, source))
        if job.settings.within is not None:
            made_from["within"] = mask_record(
                job.store, run_name, job.settings.within, spacing=source.voxel_spacing
            )
        settings = job.settings.recorded()
        return new_record(job.command, input=made_from, settings=settings, labels={})


def _check_not_empty(run_name: str, inside: BoolVolume) -> None:
    if not inside.any():
        msg = f"run {run_name}: the mask would be empty; nothing was written"
        raise DataError(msg)


def _make_masks(
    command: str, settings: MaskSettings, make: Maker, *, reporter: Reporter
) -> Summary:
    job = Job.open(command, settings, reporter=reporter)
    check_mask(settings.within, "--within")
    output = segmentation_output(settings.output, name=DEFAULT_NAME)
    find: Callable[[str], Source | RunOutcome]
    if isinstance(settings, FromLabelsSettings):
        find = _finder(job, job.segmentations(settings.input))
    else:
        find = _finder(job, job.tomograms(settings.input))
    return job.run(_MaskMaking(job, find, make, output))


def _finder(job: Job[MaskSettings], sources: Input[Key]) -> Callable[[str], Key | RunOutcome]:
    """Return the function that finds a run's source; raise if no run has any."""
    if not job.is_named:
        sources.check_any(job.run_names)
    return lambda run_name: job.find(sources, run_name)


def _values(wanted: Sequence[str], recorded: dict[str, int] | None) -> list[int]:
    """Return the values in a segmentation for numbers and names."""
    known = recorded or {}
    values = []
    for name in wanted:
        if name not in known and not name.isdecimal():
            msg = f"--labels: no '{name}' in the segmentation; it names: {choices_text(known)}"
            raise SettingsError(msg)
        values.append(known[name] if name in known else int(name))
    return values


def _tomogram(store: ProjectStore, run_name: str, key: Source) -> npt.NDArray[Any]:
    wanted = _tomogram_key(key, run_name)
    volume = store.open_tomogram(run_name, wanted).read()
    facts = inspect_volume(volume, smoothing_voxels=CONTRAST_SMOOTHING_VOXELS)
    check_voxels(facts, run_name=run_name, key=wanted)
    return volume


def _tomogram_key(key: Source, run_name: str) -> TomogramKey:
    if not isinstance(key, TomogramKey):
        msg = f"run {run_name}: {key} is not a tomogram"
        raise DataError(msg)
    return key
