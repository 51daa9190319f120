"""Make masks from tomograms and segmentations: for every run, one segmentation of 0 and 1."""

from collections.abc import Callable, Sequence
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
from copick_picker.core.segment.inspection import inspect_volume
from copick_picker.errors import CopickPickerError, DataError, SettingsError, choices_text
from copick_picker.jobs.execution import (
    Reporter,
    Summary,
    named_runs,
    nothing_to_read,
    process_runs,
    select_runs,
)
from copick_picker.jobs.opening import open_job
from copick_picker.jobs.provenance import (
    MEANWHILE,
    digest,
    new_record,
    same_job_as,
    standing_keys,
)
from copick_picker.project.store import ProjectStore
from copick_picker.project.uris import check_uri, matching, parse_output, the_one
from copick_picker.records.keys import SegmentationKey, TomogramKey
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.mask import (
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
from copick_picker.workflows.inputs.preflight import check_voxels

Source = TomogramKey | SegmentationKey
Maker = Callable[[ProjectStore, str, Source], tuple[BoolVolume, str]]
"""Store, run and input -> the mask and a remark for the summary, perhaps empty."""
_HULLS = {"planes": hulls_of_planes, "volume": hull_of_volume}


def make_lamella(settings: LamellaSettings, *, reporter: Reporter) -> Summary:
    """Find the specimen of every tomogram and return what became of every run.

    Parameters
    ----------
    settings : LamellaSettings
        What to do.
    reporter : Reporter
        Where progress goes.

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


def make_from_labels(settings: FromLabelsSettings, *, reporter: Reporter) -> Summary:
    """Make masks of labels of segmentations and return what became of every run.

    Parameters
    ----------
    settings : FromLabelsSettings
        What to do.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    CopickPickerError
        If the project or a setting is wrong, before any run is touched.
    """

    def make(store: ProjectStore, run_name: str, key: Source) -> tuple[BoolVolume, str]:
        if not isinstance(key, SegmentationKey):
            msg = f"run {run_name}: {key} is no segmentation"
            raise DataError(msg)
        values = store.open_segmentation(run_name, key).read()
        chosen = _values(settings.labels, store.segmentation_labels(run_name, key))
        inside = np.isin(values, chosen) if settings.labels else values != 0
        if settings.largest:
            inside = largest_component(inside)
        if settings.hull is not None and inside.any():
            inside = _HULLS[settings.hull](inside)
        inside = grown(inside, voxel_spacing=key.voxel_spacing, by_angstrom=settings.grow)
        return ~inside if settings.invert else inside, ""

    return _make_masks("mask from-labels", settings, make, reporter=reporter)


def make_exclude_edges(settings: ExcludeEdgesSettings, *, reporter: Reporter) -> Summary:
    """Make masks without the edges of tomograms and return what became of every run.

    Parameters
    ----------
    settings : ExcludeEdgesSettings
        What to do.
    reporter : Reporter
        Where progress goes.

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


def make_gold(settings: GoldSettings, *, reporter: Reporter) -> Summary:
    """Make masks without the gold beads of tomograms and return what became of every run.

    Parameters
    ----------
    settings : GoldSettings
        What to do.
    reporter : Reporter
        Where progress goes.

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


def _make_masks(
    command: str, settings: MaskSettings, make: Maker, *, reporter: Reporter
) -> Summary:
    store = open_job(settings)
    kind = "segmentation" if isinstance(settings, FromLabelsSettings) else "tomogram"
    check_uri(settings.input, kind)
    check_mask(settings.within, "--within")
    parts = parse_output(settings.output, "segmentation")
    run_names = select_runs(store.run_names(), settings.run_names, shard=settings.shard)
    job = _Job(command, settings, store, make, kind, parts, reporter)
    if not named_runs(settings.run_names) and not any(job.has_input(name) for name in run_names):
        raise nothing_to_read(job.listing, run_names, settings.input, kind)
    if not settings.dry_run:
        store.check_writable()
    summary = process_runs(command, run_names, job.run, reporter=reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


@dataclass(frozen=True)
class _Job:
    """One kind of mask over runs."""

    command: str
    settings: MaskSettings
    store: ProjectStore
    make: Maker
    kind: str
    output: dict[str, str]
    reporter: Reporter

    def listing(self, run_name: str) -> Sequence[Source]:
        """Return what a run has that a mask could be made from."""
        if self.kind == "tomogram":
            return self.store.tomograms(run_name)
        return self.store.segmentations(run_name)

    def matching(self, run_name: str) -> Sequence[Source]:
        """Return what the input means in a run."""
        if self.kind == "tomogram":
            return matching(self.store.tomograms(run_name), self.settings.input, self.kind)
        return matching(self.store.segmentations(run_name), self.settings.input, self.kind)

    def has_input(self, run_name: str) -> bool:
        """Return whether there is such an input; a run that cannot be listed fails later."""
        try:
            return bool(self.matching(run_name))
        except CopickPickerError:
            return False

    def run(self, run_name: str) -> RunOutcome:
        """Make the mask of one run."""
        settings = self.settings
        if not self.matching(run_name) and not named_runs(settings.run_names):
            return RunOutcome(run_name, "absent", f"no {self.kind} '{settings.input}'")
        source = self._source(run_name)
        key = self._key(source)
        record = self._record(run_name, source)
        if standing_keys(self.store, run_name, {key: record}, overwrite=settings.overwrite):
            return RunOutcome(run_name, "skipped", f"{key} is complete")
        if settings.dry_run:
            return RunOutcome(run_name, "planned", f"{source} -> {key}")
        inside, remark = self._made(run_name, source)
        z, y, x = inside.shape
        is_new = self.store.write_segmentation(
            run_name,
            key,
            [(0, inside.astype(np.uint8))],
            shape_zyx=(z, y, x),
            provenance=record,
            overwrite=settings.overwrite,
            replaces=same_job_as(record),
        )
        if not is_new:
            return RunOutcome(run_name, "skipped", f"{key} {MEANWHILE}")
        share = float(inside.mean())
        details = {"input": str(source), "output": str(key), "inside_share": share}
        return RunOutcome(run_name, "done", f"{key}: {share:.1%} inside{remark}", details)

    def _source(self, run_name: str) -> Source:
        uri = self.settings.input
        if self.kind == "tomogram":
            return the_one(self.store.tomograms(run_name), uri, self.kind, run_name=run_name)
        return the_one(self.store.segmentations(run_name), uri, self.kind, run_name=run_name)

    def _key(self, source: Source) -> SegmentationKey:
        name, user, session = (
            default if self.output[part] == "*" else self.output[part]
            for part, default in (("name", "mask"), ("user_id", "picker"), ("session_id", "1"))
        )
        return SegmentationKey(name, user, session, source.voxel_spacing)

    def _record(self, run_name: str, source: Source) -> dict[str, Any]:
        made_from: dict[str, Any] = {"uri": str(source)}
        if isinstance(source, SegmentationKey):
            made_from["record"] = digest(self.store.segmentation_provenance(run_name, source))
        within = self.settings.within
        if within is not None:
            spacing = source.voxel_spacing
            made_from["within"] = mask_record(self.store, run_name, within, spacing=spacing)
        settings = self.settings.recorded()
        return new_record(self.command, input=made_from, settings=settings, labels={})

    def _made(self, run_name: str, source: Source) -> tuple[BoolVolume, str]:
        inside, remark = self.make(self.store, run_name, source)
        spacing = source.voxel_spacing
        within = load_mask(
            self.store,
            run_name,
            self.settings.within,
            shape_zyx=inside.shape,
            spacing=spacing,
            warn=self.reporter.warn,
        )
        if within is not None:
            inside = inside & within.on(inside.shape, spacing)
        if not inside.any():
            msg = f"run {run_name}: the mask would be empty; nothing is written"
            raise DataError(msg)
        return inside, remark


def _values(wanted: Sequence[str], recorded: dict[str, int] | None) -> list[int]:
    """Return the values that numbers and names mean in a segmentation."""
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
        msg = f"run {run_name}: {key} is no tomogram"
        raise DataError(msg)
    return key
