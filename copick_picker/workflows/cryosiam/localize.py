"""CryoSiam's ``semantic_to_centers``: its predictions to ``labels_k.csv`` and STAR."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.geometry import voxels_to_points
from copick_picker.core.localize.eroded import (
    ErodedComponents,
    eroded_ball_voxels,
    eroded_components,
)
from copick_picker.errors import SettingsError
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.outputs import standing_keys
from copick_picker.jobs.provenance import new_record, same_job_as
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.selection import select_runs
from copick_picker.jobs.summary import Summary, summarised
from copick_picker.project.folders.checkpoints import file_sha256
from copick_picker.project.folders.cryosiam_folder import CryosiamFolders
from copick_picker.project.formats.cryosiam_files import (
    Row,
    read_labels,
    read_probabilities,
)
from copick_picker.project.uris import picks_output
from copick_picker.records.keys import PicksKey
from copick_picker.records.points import PickSet
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.cryosiam import CryosiamConfig, CryosiamJob
from copick_picker.workflows.cryosiam.hand_over import picks_facts, picks_words, tell_picks
from copick_picker.workflows.cryosiam.project import (
    CryosiamProject,
    class_names,
    open_cryosiam_project,
)
from copick_picker.workflows.cryosiam.segment import read_and_warn


@summarised
def cryosiam_localize(settings: CryosiamJob, *, reporter: Reporter) -> Summary:
    """Make one CSV and one STAR file per class from all predictions in a folder.

    The files are written only if every prediction could be read: a merged file never silently lacks
    a tomogram. With a project, the same picks are also written to each run.

    Parameters
    ----------
    settings : CryosiamJob
        Which YAML file, which predictions.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the YAML file or the project is wrong, or the folder has no predictions.
    ConflictError
        If other files are in their place and ``overwrite`` is not set.
    """
    config, folders = read_and_warn(settings, reporter)
    found = folders.all_predictions()
    names = select_runs(list(found), settings.run_names, shard=settings.shard)
    if settings.config is not None and config.parameters.network.postprocessing:
        msg = f"{settings.cryosiam_config} makes a lamella, not objects: omit --config"
        raise SettingsError(msg)
    project = open_cryosiam_project(settings, config, names, class_names(config), reporter=reporter)
    rows: dict[int, list[Row]] = {label: [] for label in config.parameters.network.classes}
    job = _Centres(settings, config, folders, found, project, rows)
    summary = process_runs("localize", names, InTurn(job.run), reporter=reporter)
    if summary.exit_code:
        what = "CSV, STAR or picks were" if project is not None else "CSV or STAR was"
        reporter.warn(f"no {what} written; exclude a broken file with -r '!NAME'")
    else:
        reporter.note(folders.write_tables(rows, dry_run=settings.dry_run))
        job.write_picks(reporter)
        tell_picks(settings, config, summary, reporter)
    return summary


@dataclass(frozen=True, eq=False)
class _Picks:
    """Picks of one object in one run, ready to be written."""

    run_name: str
    key: PicksKey
    picks: PickSet
    record: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Centres:
    """One YAML file applied to its predictions."""

    settings: CryosiamJob
    config: CryosiamConfig
    folders: CryosiamFolders
    found: Mapping[str, Path]
    project: CryosiamProject | None
    rows: dict[int, list[Row]]
    waiting: list[_Picks] = field(default_factory=list)

    def run(self, name: str) -> RunOutcome:
        """Find the picks of one prediction; nothing is written yet."""
        path = self.found[name]
        labels = read_labels(path)
        scored = self.project is not None
        counts, components, words = {}, {}, []
        for label in self.rows:
            channel = self._channel(label)
            components[label] = found = eroded_components(
                labels,
                label,
                more_than_voxels=self.config.parameters.network.least_voxels(label),
                probability_zyx=read_probabilities(path, channel) if scored else None,
            )
            counts[str(label)] = len(found.numbers)
            words.append(picks_words(self.config, label, found, labels))
        if self.project is not None:
            self.waiting.extend(self._new_picks(self.project, name, labels.shape, components))
        for label, found in components.items():
            parts = zip(found.numbers, found.voxel_counts, found.centres_zyx, strict=True)
            self.rows[label] += [
                (int(number), int(voxels), float(z), float(y), float(x), name)
                for number, voxels, (z, y, x) in parts
            ]
        facts = {str(label): picks_facts(found) for label, found in components.items()}
        details = {"input": str(path), "picks": counts, "candidates": facts}
        return RunOutcome(name, "done", ", ".join(words), details)

    def write_picks(self, reporter: Reporter) -> None:
        """Write the picks of all runs into the project."""
        if self.project is None:
            return
        if not self.settings.dry_run:
            for each in self.waiting:
                self.project.store.write_picks(
                    each.run_name,
                    each.key,
                    each.picks,
                    provenance=each.record,
                    overwrite=self.settings.overwrite,
                    replaces=same_job_as(each.record),
                )
        verb = "would be written" if self.settings.dry_run else "written"
        where = self.project.store.location
        reporter.note(f"{where}: {len(self.waiting)} pick sets {verb}; the others are complete")

    def _channel(self, label: int) -> int:
        """Return the channel of a class; a network with one channel has only that of class 1."""
        return label if self.config.parameters.network.out_channels > 1 else 0

    def _new_picks(
        self,
        project: CryosiamProject,
        name: str,
        shape_zyx: tuple[int, ...],
        components: Mapping[int, ErodedComponents],
    ) -> list[_Picks]:
        """Return the picks of a run still to be written; raise if others are in their place."""
        run_name = project.run_of(name)
        spacing = project.spacing_of(
            run_name, shape_zyx, stated=lambda: self.folders.stated_spacing(name)
        )
        output = picks_output(self.settings.output or "*")
        checksum = file_sha256(self.found[name])
        new = []
        for object_name, label in project.values.items():
            spec = project.specs[object_name]
            if not spec.is_particle:
                continue
            key = output.key(object_name)
            picks, kind = _scored(object_name, components[label], spec.radius_angstrom, spacing)
            record = new_record(
                "localize",
                input={"predictions": checksum, "voxel_spacing": spacing},
                settings={
                    "method": "eroded components",
                    "label": label,
                    "more_than_voxels": self.config.parameters.network.least_voxels(label),
                },
                score_kind=kind,
            )
            overwrite = self.settings.overwrite
            if not standing_keys(project.store, run_name, {key: record}, overwrite=overwrite):
                new.append(_Picks(run_name, key, picks, record))
        return new


def _scored(
    object_name: str, found: ErodedComponents, radius_angstrom: float | None, spacing: float
) -> tuple[PickSet, str]:
    """Return picks in Angstrom, and the meaning of their score."""
    points_xyz = voxels_to_points(found.centres_zyx.reshape(-1, 3), spacing)
    if found.mean_probabilities is not None:
        scores = np.clip(found.mean_probabilities, 0.0, 1.0)
        return PickSet(object_name, points_xyz, scores), "probability"
    if radius_angstrom is None:
        msg = (
            f"object '{object_name}' has no radius in the project, and no probabilities are stored"
        )
        raise SettingsError(msg)
    expected = eroded_ball_voxels(radius_angstrom, spacing)
    scores = np.minimum(found.voxel_counts / expected, 1.0)
    return PickSet(object_name, points_xyz, scores), "fill"
