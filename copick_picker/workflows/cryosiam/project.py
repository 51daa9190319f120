"""Results of CryoSiam's YAML files in a copick project, in addition to the files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.labels import relabelled
from copick_picker.errors import DataError, SettingsError, UnknownNameError, choices_text
from copick_picker.jobs.outputs import standing_keys
from copick_picker.jobs.provenance import same_job_as
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.copick.store import open_project
from copick_picker.project.folders.checkpoints import read_model_folder
from copick_picker.project.folders.model_places import is_model_folder
from copick_picker.project.formats.mrc_folders import CONTENT_TYPES, run_name_of
from copick_picker.project.store import OutputKey, ProjectStore, Provenance
from copick_picker.project.uris import segmentation_output, tomogram_query
from copick_picker.records.keys import FeatureKey, SegmentationKey, TomogramKey
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.cryosiam import CryosiamConfig, CryosiamJob
from copick_picker.settings.import_ import IMPLAUSIBLE_SPACINGS
from copick_picker.settings.model import model_card
from copick_picker.settings.segment import DEFAULT_NAME, SPACING_LIMIT, SPACING_SILENT
from copick_picker.workflows.inputs.object_labels import project_labels


@dataclass(frozen=True, eq=False)
class CryosiamProject:
    """The project that a job of CryosiamJob writes into.

    Attributes
    ----------
    store : ProjectStore
        The project.
    settings : CryosiamJob
        The job.
    runs : mapping
        Name of a tomogram without extension -> run of the project; those without a run are omitted.
    specs : mapping
        Object name -> object of the project.
    values : mapping
        Object name in the project -> value in CryoSiam's labels; empty for a lamella.
    hint : str
        The command that imports the tomograms into the project.
    """

    store: ProjectStore
    settings: CryosiamJob
    runs: Mapping[str, str]
    specs: Mapping[str, ObjectSpec]
    values: Mapping[str, int]
    hint: str

    def run_of(self, stem: str) -> str:
        """Return the run of a tomogram.

        Parameters
        ----------
        stem : str
            Name of the tomogram without its extension.

        Raises
        ------
        UnknownNameError
            If the project has none; with the command that makes it.
        """
        if stem not in self.runs:
            msg = f"no run '{run_name_of(stem)}' in {self.store.location}; first: {self.hint}"
            raise UnknownNameError(msg)
        return self.runs[stem]

    def segmentation(
        self, stem: str, record: Mapping[str, Any], *, probabilities: bool
    ) -> "SegmentationPlace":
        """Return the place for the labels of a tomogram.

        Parameters
        ----------
        stem : str
            Name of the tomogram without its extension.
        record : mapping
            Provenance record of the prediction.
        probabilities : bool
            Whether class probabilities are stored too.

        Raises
        ------
        CopickPickerError
            If the project has no such run, or not exactly one matching tomogram.
        """
        run_name = self.run_of(stem)
        tomograms = self.store.tomograms(run_name)
        tomogram = tomogram_query(self.settings.input).match_one(tomograms, run_name=run_name)
        output = segmentation_output(self.settings.output or "*", name=DEFAULT_NAME)
        key = output.key(run_name, tomogram.voxel_spacing)
        feature = None
        if probabilities:
            kind = f"{key.name}-{key.user_id}-{key.session_id}-probabilities"
            feature = FeatureKey(tomogram.tomogram_type, tomogram.voxel_spacing, kind)
        labels = {name: self.specs[name].label for name in self.values}
        known = {"labels": labels, "objects": self._objects()}
        if feature is not None:
            known["probabilities"] = {"uri": str(feature), "channels": self._channels()}
        own = {**record, **known}
        return SegmentationPlace(self, run_name, tomogram, key, feature, own)

    def spacing_of(
        self, run_name: str, shape_zyx: Sequence[int], *, stated: Callable[[], float]
    ) -> float:
        """Return the voxel spacing of the tomogram whose labels have this shape, in Angstrom.

        Parameters
        ----------
        run_name : str
            The run.
        shape_zyx : sequence of int
            Shape of the labels.
        stated : callable
            Returns the spacing in the MRC file, 0 if there is no file; called if tomograms of
            several spacings have this shape.

        Raises
        ------
        DataError
            If no tomogram of the run has this shape, or several of different spacings do and the
            file does not decide between them.
        """
        shapes = {
            key: self.store.open_tomogram(run_name, key).shape
            for key in self.store.tomograms(run_name)
        }
        spacings = sorted({key.voxel_spacing for key in shapes if shapes[key] == tuple(shape_zyx)})
        if len(spacings) > 1:
            header = stated()
            spacings = [
                value for value in spacings if _difference(header, value) <= SPACING_SILENT
            ] or spacings
        if len(spacings) == 1:
            return spacings[0]
        known = choices_text(f"{key} {shape}" for key, shape in shapes.items())
        what = "several tomograms" if spacings else "no tomogram"
        msg = f"run {run_name} has {what} of the labels' shape {tuple(shape_zyx)}; it has: {known}"
        raise DataError(msg)

    def labels(self) -> dict[int, int]:
        """Return CryoSiam's value -> the project's label; empty for a lamella."""
        return {value: self.specs[name].label for name, value in self.values.items()}

    def _objects(self) -> dict[str, dict[str, Any]]:
        return {name: {"channel": value} for name, value in self.values.items()}

    def _channels(self) -> list[str]:
        names = ["background"] * (max(self.values.values(), default=0) + 1)
        for name, value in self.values.items():
            names[value] = name
        return names


@dataclass(frozen=True, eq=False)
class SegmentationPlace:
    """The place for the labels and probabilities of one tomogram.

    Attributes
    ----------
    project : CryosiamProject
        The project.
    run_name : str
        The run.
    tomogram : TomogramKey
        The project's own copy of the tomogram.
    key : SegmentationKey
        Key of the labels.
    feature : FeatureKey or None
        Key of the probabilities.
    record : mapping
        Provenance of both.
    """

    project: CryosiamProject
    run_name: str
    tomogram: TomogramKey
    key: SegmentationKey
    feature: FeatureKey | None
    record: Provenance

    def stands(self) -> bool:
        """Return whether all outputs exist already; False with ``overwrite``.

        Raises
        ------
        ConflictError
            If something else is in their place.
        """
        records: dict[OutputKey, Provenance] = {self.key: self.record}
        if self.feature is not None:
            records[self.feature] = self.record
        found = standing_keys(
            self.project.store,
            self.run_name,
            records,
            overwrite=self.project.settings.overwrite,
        )
        return len(found) == len(records)

    def check(
        self, shape_zyx: Sequence[int], header_spacing: float | None, reporter: Reporter
    ) -> None:
        """Raise if the project's tomogram is not the one in the file.

        Parameters
        ----------
        shape_zyx : sequence of int
            Shape of the file's volume.
        header_spacing : float or None
            Spacing in the file's header; 0 and 1 mean unknown.
        reporter : Reporter
            Told about small differences in spacing.

        Raises
        ------
        DataError
            If shape or spacing differ.
        """
        stored = self.project.store.open_tomogram(self.run_name, self.tomogram).shape
        if tuple(stored) != tuple(shape_zyx):
            msg = (
                f"run {self.run_name}: {self.tomogram} has shape {tuple(stored)}, the MRC "
                f"file {tuple(shape_zyx)}: they are different tomograms"
            )
            raise DataError(msg)
        if header_spacing is None or header_spacing in IMPLAUSIBLE_SPACINGS:
            return
        difference = _difference(header_spacing, self.tomogram.voxel_spacing)
        if difference <= SPACING_SILENT:
            return
        text = (
            f"run {self.run_name}: the MRC file has voxels of {header_spacing:g} A, the "
            f"project's tomogram is {self.tomogram}"
        )
        if difference > SPACING_LIMIT:
            raise DataError(text)
        reporter.warn(text)

    def write(
        self, labels: npt.NDArray[Any], probabilities: npt.NDArray[np.float32] | None
    ) -> None:
        """Write a prediction; outputs of this tool in its place are replaced.

        Parameters
        ----------
        labels : numpy.ndarray, shape (z, y, x), integer
            CryoSiam's labels.
        probabilities : numpy.ndarray, shape (c, z, y, x), float32, or None
            CryoSiam's probabilities; a single channel is that of class 1.
        """
        store, feature = self.project.store, self.feature
        if feature is not None and probabilities is not None:
            classes = probabilities
            if len(probabilities) == 1:
                classes = np.concatenate([1 - probabilities, probabilities])
            c, z, y, x = classes.shape
            store.write_feature(
                self.run_name,
                feature,
                [(0, classes.astype(np.float16))],
                shape_czyx=(c, z, y, x),
                provenance=self.record,
                overwrite=self.project.settings.overwrite,
                replaces=same_job_as(self.record),
            )
        z, y, x = labels.shape
        store.write_segmentation(
            self.run_name,
            self.key,
            [(0, relabelled(labels, self.project.labels()))],
            shape_zyx=(z, y, x),
            provenance=self.record,
            overwrite=self.project.settings.overwrite,
            replaces=same_job_as(self.record),
        )


def open_cryosiam_project(
    settings: CryosiamJob,
    config: CryosiamConfig,
    stems: Sequence[str],
    channels: Mapping[str, int],
    *,
    reporter: Reporter,
) -> CryosiamProject | None:
    """Return the project that also receives the results; None if none is named.

    Parameters
    ----------
    settings : CryosiamJob
        The job.
    config : CryosiamConfig
        CryoSiam's YAML file.
    stems : sequence of str
        Names of the tomograms without extension.
    channels : mapping
        Class name -> value in CryoSiam's labels.
    reporter : Reporter
        Told about doubtful names.

    Raises
    ------
    CopickPickerError
        If the project cannot be opened or written, no tomogram has a run, or an object is unknown.
    """
    if settings.config is None:
        return None
    store = open_project(settings.config)
    tomogram_query(settings.input)
    hint = _import_command(settings.config, config)
    runs = _runs(store, stems, hint)
    specs = {spec.name: spec for spec in store.objects()}
    if config.parameters.network.postprocessing:
        values: dict[str, int] = {}
    else:
        values = _values(settings, specs, channels, reporter)
    if not settings.dry_run:
        store.check_writable()
    return CryosiamProject(store, settings, runs, specs, values, hint)


def class_names(config: CryosiamConfig) -> dict[str, int]:
    """Return class name -> label value: the names of a model folder, else ``class_1`` and so on.

    Parameters
    ----------
    config : CryosiamConfig
        CryoSiam's YAML file.

    Raises
    ------
    CheckpointError
        If its model is a folder that cannot be read.
    """
    path = config.trained_model
    if path is not None and is_model_folder(path):
        return dict(model_card(read_model_folder(path)[1], str(path)).channel_names)
    return {f"class_{label}": label for label in config.parameters.network.classes}


def _values(
    settings: CryosiamJob,
    specs: Mapping[str, ObjectSpec],
    channels: Mapping[str, int],
    reporter: Reporter,
) -> dict[str, int]:
    """Return object name in the project -> value in CryoSiam's labels."""
    names = dict(settings.object_map)
    if not names and not any(name in specs for name in channels):
        by_label = {spec.label: spec.name for spec in specs.values()}
        names = {name: by_label[value] for name, value in channels.items() if value in by_label}
        taken = ", ".join(f"{name} is {target}" for name, target in names.items())
        if taken:
            reporter.warn(f"CryoSiam does not name classes; assuming the project's labels: {taken}")
    chosen = project_labels(channels, specs, names, objects=settings.objects)
    targets = {names.get(name, name): value for name, value in channels.items()}
    return {name: targets[name] for name in chosen}


def _runs(store: ProjectStore, stems: Iterable[str], hint: str) -> dict[str, str]:
    known = set(store.run_names())
    runs: dict[str, str] = {}
    for stem in stems:
        name = run_name_of(stem)
        if name in runs.values():
            first = next(other for other in runs if runs[other] == name)
            msg = f"{first} and {stem} would both be run '{name}' of the project: rename one"
            raise SettingsError(msg)
        if name in known:
            runs[stem] = name
    if stems and not runs:
        wanted = choices_text(run_name_of(stem) for stem in list(stems)[:5])
        msg = f"{store.location} has no run {wanted}; import the tomograms first: {hint}"
        raise UnknownNameError(msg)
    return runs


def _import_command(project: str, config: CryosiamConfig) -> str:
    """Return the command that makes runs from CryoSiam's tomograms, with CryoSiam's names."""
    ending = config.file_extension
    rest = next((ending.removesuffix(t) for t in CONTENT_TYPES if ending.endswith(t)), "")
    pattern = f' --name-pattern "{{run}}{rest}"' if rest else ""
    return f"copick-picker import mrc {config.data_folder} -c {project}{pattern}"


def _difference(spacing: float, wanted: float) -> float:
    return abs(spacing - wanted) / wanted
