"""One run of ``detect``: a tomogram goes in, picks come out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from copick_picker.core.localize import LabelledSlab, picks_of_slabs
from copick_picker.core.masks.grids import BoolVolume, covering
from copick_picker.core.masks.run_mask import RunMask
from copick_picker.core.segment.inspection import VolumeFacts, check_voxels, inspect_volume
from copick_picker.core.segment.resampling import MapEnlarger, ResampledReader
from copick_picker.core.segment.results import Slab, Stream
from copick_picker.core.segment.volume import PlaneReader, VolumeStatistics
from copick_picker.errors import SettingsError, choices_text
from copick_picker.jobs.job import Job, Plan
from copick_picker.jobs.provenance import new_record
from copick_picker.project.copick.pick_files import MASK_DISTANCES, SIGMAS, finite_or_none, rounded
from copick_picker.project.store import LazyVolume, OutputKey, Provenance
from copick_picker.project.uris import PicksOutput
from copick_picker.records.keys import PicksKey, TomogramKey
from copick_picker.records.points import Localized, LocalizeTarget
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.detect import DetectSettings
from copick_picker.workflows.detect.maps import (
    MapKeys,
    MapWriters,
    channel_names,
    label_table,
    map_keys,
)
from copick_picker.workflows.inputs.cleaning import check_fit, cleaned, recorded_cleaning
from copick_picker.workflows.inputs.masks import load_mask, mask_record
from copick_picker.workflows.inputs.preflight import Preflight, in_layers
from copick_picker.workflows.inputs.volumes import layered, seen_spacing, volume_at
from copick_picker.workflows.models.load import LoadedModels
from copick_picker.workflows.models.run import model_slabs, window_progress


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
        if self.job.settings.probabilities:
            keys, record = self._maps(check.key), self._map_record(run_name, check.key)
            records |= {keys.labels: record, keys.shares: record}
        return Plan(
            check,
            records,
            complete=f"{len(self.targets)} pick sets are complete",
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
        stored = self.job.store.open_tomogram(run_name, key)
        mask = self._mask(run_name, key, stored.shape)
        own = key.voxel_spacing
        seen = seen_spacing(own, self.models.voxel_spacing)
        volume, facts = self._cleaned(run_name, key, stored, seen, plan.given.facts)
        check_voxels(facts, run_name=run_name, key=key)
        inside = None
        if mask is not None:
            inside = mask.on(stored.shape, own)
            if seen != own:
                z, y, x = volume.shape
                inside = covering(inside, factor=seen / own, shape_zyx=(z, y, x))
        slabs = self._slabs(run_name, volume, inside, facts.statistics)
        writers = None
        if self._maps(key).labels in missing or self._maps(key).shares in missing:
            writers = self._map_writers(run_name, key, stored.shape, seen / own)
        try:
            found = self._found(slabs, volume.shape, seen, writers)
        except BaseException:
            if writers is not None:
                writers.stop()
            raise
        found = {name: self._limited(result, mask) for name, result in found.items()}
        written = [] if writers is None else writers.finish()
        written += [
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
        outcome = self.job.finished(run_name, written, what, text or "no object", details)
        return replace(outcome, warnings=plan.given.remarks)

    def _cleaned(
        self,
        run_name: str,
        key: TomogramKey,
        stored: LazyVolume,
        seen: float,
        facts: VolumeFacts | None,
    ) -> tuple[PlaneReader, VolumeFacts]:
        """Return a tomogram at the models' spacing, its voxels cleaned, and its figures."""
        own, layers, is_said = key.voxel_spacing, in_layers(stored), facts is not None
        facts = facts or inspect_volume(layers, smoothing_voxels=None)
        check_fit(facts, self.job.settings, run_name=run_name, key=key)
        recipe = self.models.is_own_recipe
        clean = cleaned(layers, facts, self.job.settings, own_recipe=recipe)
        for words in () if is_said else clean.words:
            self.job.reporter.warn(f"run {run_name}: {words}")
        if seen == own:
            return clean.volume, clean.facts
        if not clean.words:
            volume = layered(volume_at(stored, own, seen))
        else:
            volume = layered(ResampledReader(clean.volume, seen / own))
        return volume, inspect_volume(volume, smoothing_voxels=None)

    def _slabs(
        self,
        run_name: str,
        volume: PlaneReader,
        inside: BoolVolume | None,
        statistics: VolumeStatistics | None,
    ) -> Stream[Slab]:
        """Return what the models make of a tomogram at their voxel spacing."""
        stated = self.job.settings.contrast
        return model_slabs(
            volume,
            self.models,
            inverted=stated not in ("auto", self.models.contrast),
            probabilities=self.models.point_reader is None or self.job.settings.probabilities,
            mask_zyx=inside,
            statistics=statistics,
            progress=window_progress(self.job.reporter, run_name),
        )

    def _found(
        self,
        slabs: Iterable[Slab],
        shape_zyx: tuple[int, ...],
        spacing: float,
        writers: MapWriters | None,
    ) -> dict[str, Localized]:
        """Return the picks of a tomogram; its maps are written on the way."""
        z, y, x = shape_zyx
        if writers is not None:
            slabs = writers.passing(slabs, -(-z // self._stride))
        return picks_of_slabs(
            (LabelledSlab(each.z_start, None, each.probabilities, each.maps) for each in slabs),
            self.targets,
            shape_zyx=(z, y, x),
            voxel_spacing=spacing,
            rules=self.job.settings.rules(),
            reader=self.models.point_reader,
        )

    @property
    def _stride(self) -> int:
        reader = self.models.point_reader
        return 1 if reader is None else reader.stride

    @property
    def _channels(self) -> dict[str, int]:
        return {target.object_name: target.channel or target.label for target in self.targets}

    def _maps(self, tomogram: TomogramKey) -> MapKeys:
        user, session = self.output.user_id, self.output.session_id
        return map_keys(user, session, tomogram.tomogram_type, tomogram.voxel_spacing)

    def _map_writers(
        self, run_name: str, tomogram: TomogramKey, shape_zyx: tuple[int, ...], factor: float
    ) -> MapWriters:
        """Return writers of maps on the tomogram's grid; ``factor`` is seen over own spacing."""
        z, y, x = shape_zyx
        labels = {target.object_name: target.label for target in self.targets}
        return MapWriters(
            self.job,
            run_name,
            self._maps(tomogram),
            MapEnlarger(
                1.0 / (factor * self._stride), -(self._stride - 1) / (2 * self._stride), (z, y, x)
            ),
            label_table(self._channels, labels, self.models.n_channels),
            self._map_record(run_name, tomogram),
        )

    def _map_record(self, run_name: str, tomogram: TomogramKey) -> dict[str, Any]:
        """Return the record of stored maps: what ``localize`` and ``view`` read."""
        keys = self._maps(tomogram)
        settings, spacing = self.job.settings, tomogram.voxel_spacing
        how: dict[str, Any] = {}
        if settings.mask is not None:
            how["mask"] = mask_record(self.job.store, run_name, settings.mask, spacing=spacing)
        kept = {"mode", "contrast", "object_map"}
        chosen = {name: value for name, value in settings.recorded().items() if name in kept}
        return new_record(
            "detect",
            input=str(tomogram),
            models=self.models.records,
            settings=chosen | self.models.choices | how | recorded_cleaning(settings),
            labels={target.object_name: target.label for target in self.targets},
            objects={
                target.object_name: {
                    "channel": target.channel,
                    "target_fraction": target.target_fraction,
                    "score_threshold": target.score_threshold,
                }
                for target in self.targets
            },
            probabilities={
                "uri": str(keys.shares),
                "channels": channel_names(self._channels, self.models.n_channels),
            },
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
        if self.checks[run_name].remarks:
            full["remarks"] = list(self.checks[run_name].remarks)
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
            "voxel_spacing": seen_spacing(spacing, self.models.voxel_spacing),
            "top": settings.top_of(target.object_name),
        }
        if settings.mask is not None:
            how["mask"] = mask_record(self.job.store, run_name, settings.mask, spacing=spacing)
        return new_record(
            "detect",
            input=str(tomogram),
            models=self.models.records,
            settings=settings.recorded() | self.models.choices | how | recorded_cleaning(settings),
        )
