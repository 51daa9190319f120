"""One run of ``detect``: a tomogram goes in, picks come out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from copick_picker.core.localize import LabelledSlab, picks_of_slabs
from copick_picker.core.masks.grids import covering
from copick_picker.core.masks.run_mask import RunMask
from copick_picker.core.segment.inspection import check_voxels, inspect_volume
from copick_picker.core.segment.resampling import ResampledReader
from copick_picker.core.segment.volume import LayeredReader, PlaneReader, VolumeStatistics
from copick_picker.errors import SettingsError, choices_text
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.pick_files import MASK_DISTANCES, SIGMAS, finite_or_none, rounded
from copick_picker.project.store import OutputKey, Provenance
from copick_picker.project.uris import PicksOutput
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import Localized, LocalizeTarget
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.detect import DetectSettings
from copick_picker.settings.memory import KEPT_BYTES
from copick_picker.settings.segment import SPACING_SILENT
from copick_picker.workflows.inputs.masks import load_mask, mask_record
from copick_picker.workflows.inputs.preflight import Preflight, in_layers
from copick_picker.workflows.models.load import LoadedModels
from copick_picker.workflows.models.run import model_slabs


@dataclass(frozen=True)
class Detection:
    """The recipe of ``detect``.

    Attributes
    ----------
    job : Job
        The job.
    models : LoadedModels
        A model or an ensemble.
    targets : tuple of LocalizeTarget
        What to look for.
    output : PicksOutput
        Keys of the pick sets.
    checks : mapping
        Run name -> its pre-flight.
    """

    job: Job[DetectSettings]
    models: LoadedModels
    targets: tuple[LocalizeTarget, ...]
    output: PicksOutput
    checks: Mapping[str, Preflight]

    def run(self, run_name: str) -> RunOutcome:
        """Detect the particles of one run."""
        return self.job.run_one(self, run_name)

    def plan(self, run_name: str) -> Plan[Preflight] | RunOutcome:
        """Return the pick sets to make for a run."""
        check = self.checks[run_name]
        if check.absent:
            return self.job.absent(run_name, f"no tomogram '{self.job.settings.input}'")
        if check.failure or check.key is None:
            return RunOutcome(run_name, "failed", check.failure)
        records: dict[OutputKey, Provenance] = {
            self.output.key(target.object_name): self._record(run_name, check.key, target)
            for target in self.targets
        }
        return Plan(
            check,
            records,
            complete=f"{len(records)} pick sets are complete",
            planned=f"{check.key} -> {choices_text(records)}",
        )

    def make(
        self, run_name: str, plan: Plan[Preflight], missing: Collection[OutputKey]
    ) -> RunOutcome:
        """Find the particles of one run and write the pick sets that are missing."""
        key = plan.given.key
        if key is None:
            msg = f"run {run_name}: no tomogram"
            raise SettingsError(msg)
        volume = in_layers(self.job.store.open_tomogram(run_name, key))
        facts = plan.given.facts or inspect_volume(volume, smoothing_voxels=None)
        check_voxels(facts, run_name=run_name, key=key)
        mask = self._mask(run_name, key, volume.shape)
        found = self._found(volume, key.voxel_spacing, mask, facts.statistics)
        found = {name: self._limited(result, mask) for name, result in found.items()}
        written = [
            self._write(run_name, wanted, plan.records[wanted], found[wanted.object_name], mask)
            for wanted in missing
            if isinstance(wanted, PicksKey)
        ]
        text = ", ".join(f"{name} {len(result.picks)}" for name, result in found.items())
        objects = {
            name: {"picks": len(result.picks), "dropped": dict(result.dropped)}
            for name, result in found.items()
        }
        details = {"input": str(key), "objects": objects}
        what = f"{len(found)} pick sets:"
        return self.job.finished(run_name, written, what, text or "no object", details)

    def _found(
        self,
        volume: LayeredReader,
        spacing: float,
        mask: RunMask | None,
        statistics: VolumeStatistics | None,
    ) -> dict[str, Localized]:
        """Return the picks of a tomogram, at the models' voxel spacing."""
        z, y, x = volume.shape
        inside = None if mask is None else mask.on((z, y, x), spacing)
        reader: PlaneReader = volume
        wanted = model_spacing(self.models, spacing)
        if wanted != spacing:
            reader, statistics = resampled(volume, wanted / spacing), None
            z, y, x = reader.shape
            if inside is not None:
                inside = covering(inside, factor=wanted / spacing, shape_zyx=(z, y, x))
        stated = self.job.settings.contrast
        slabs = model_slabs(
            reader,
            self.models,
            inverted=stated not in ("auto", self.models.contrast),
            probabilities=self.models.point_reader is None,
            mask_zyx=inside,
            statistics=statistics,
        )
        return picks_of_slabs(
            (LabelledSlab(each.z_start, None, each.probabilities, each.maps) for each in slabs),
            self.targets,
            shape_zyx=(z, y, x),
            voxel_spacing=wanted,
            rules=self.job.settings.rules(),
            reader=self.models.point_reader,
        )

    def _limited(self, result: Localized, mask: RunMask | None) -> Localized:
        """Return the picks inside the mask, and of those the best."""
        if mask is not None:
            result = mask.without_outer(result, margin_angstrom=self.job.settings.mask_margin)
        top = self.job.settings.top_of(result.picks.object_name)
        if top is None:
            return result
        best = np.arange(min(top, len(result.picks)))
        dropped = {**result.dropped, "not among the best": len(result.picks) - len(best)}
        return replace(result, picks=result.picks.chosen(best), dropped=dropped)

    def _write(
        self,
        run_name: str,
        key: PicksKey,
        record: Provenance,
        result: Localized,
        mask: RunMask | None,
    ) -> bool:
        full = {**record, "score_kind": result.score_kind, "dropped": dict(result.dropped)}
        if mask is not None:
            full[MASK_DISTANCES] = finite_or_none(mask.distances(result.picks))
        if result.picks.sigmas_xyz is not None:
            full[SIGMAS] = rounded(result.picks.sigmas_xyz)
        return self.job.write_picks(run_name, key, result.picks, full)

    def _mask(self, run_name: str, key: TomogramKey, shape_zyx: tuple[int, ...]) -> RunMask | None:
        return load_mask(
            self.job.store,
            run_name,
            self.job.settings.mask,
            shape_zyx=shape_zyx,
            spacing=key.voxel_spacing,
            warn=self.job.reporter.warn,
        )

    def _record(
        self, run_name: str, tomogram: TomogramKey, target: LocalizeTarget
    ) -> dict[str, Any]:
        """Return the record of one object's picks; it does not depend on other objects."""
        settings, spacing = self.job.settings, tomogram.voxel_spacing
        how: dict[str, Any] = {
            "radius_angstrom": target.radius_angstrom,
            "score_threshold": target.score_threshold,
            "channel": target.channel,
            "voxel_spacing": model_spacing(self.models, spacing),
            "top": settings.top_of(target.object_name),
        }
        if settings.mask is not None:
            how["mask"] = mask_record(self.job.store, run_name, settings.mask, spacing=spacing)
        return new_record(
            "detect",
            input=str(tomogram),
            models=self.models.records,
            settings=settings.recorded() | self.models.choices | how,
        )


def model_spacing(models: LoadedModels, spacing: float) -> float:
    """Return the voxel spacing at which the models see a tomogram.

    Parameters
    ----------
    models : LoadedModels
        The models.
    spacing : float
        Voxel spacing of the tomogram in Angstrom.

    Returns
    -------
    float
        The tomogram's, if the models do not state theirs or it differs by 1 % at most.
    """
    wanted = models.voxel_spacing
    if wanted is None or abs(spacing - wanted) <= SPACING_SILENT * wanted:
        return spacing
    return wanted


def resampled(volume: PlaneReader, factor: float) -> LayeredReader:
    """Return a tomogram at another voxel spacing, kept in memory if it is small.

    Parameters
    ----------
    volume : PlaneReader
        The tomogram.
    factor : float
        New voxel spacing divided by the old one.
    """
    reader = ResampledReader(volume, factor)
    depth, height, width = reader.shape
    is_small = depth * height * width * reader.dtype.itemsize <= KEPT_BYTES
    return LayeredReader(reader, depth if is_small else reader.chunk_planes)
