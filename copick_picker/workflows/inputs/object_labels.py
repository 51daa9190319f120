"""Mapping from values of a segmentation, or channels of a model, to objects of the project."""

from collections.abc import Callable, Collection, Mapping, Sequence

from copick_picker.core.localize.checks import IntVolume
from copick_picker.core.localize.values import unread_values, whole_numbers
from copick_picker.errors import DataError, SettingsError, choices_text, nearest_name
from copick_picker.project.store import LazyVolume, ProjectStore
from copick_picker.records.checks import MOST_LABEL
from copick_picker.records.keys import SegmentationKey
from copick_picker.records.runs import ObjectSpec


def check_labels_differ(labels: Mapping[str, int]) -> None:
    """Raise if two objects of a segmentation would share a label, or one cannot be stored.

    Parameters
    ----------
    labels : mapping
        Object name -> label.

    Raises
    ------
    SettingsError
        With both objects. copick gives an object without a label the label 1.
    """
    first: dict[int, str] = {}
    for name, label in labels.items():
        if not 1 <= label <= MOST_LABEL:
            msg = (
                f"object '{name}' has label {label}; a segmentation holds 1 to {MOST_LABEL}: "
                "change it in the project's configuration, or exclude the object with "
                "--objects"
            )
            raise SettingsError(msg)
        if label in first:
            msg = (
                f"objects '{first[label]}' and '{name}' both have label {label}: give each its own "
                "in the project's configuration, or choose one with --objects"
            )
            raise SettingsError(msg)
        first[label] = name


def object_labels(
    recorded: Mapping[str, int] | None,
    specs: Mapping[str, ObjectSpec],
    *,
    object_map: Mapping[str, str],
    objects: Sequence[str],
) -> dict[str, int]:
    """Return object name in the project -> value in a segmentation.

    Parameters
    ----------
    recorded : mapping or None
        Name -> value, as recorded with the segmentation; None if nothing is recorded: then the
        values are the project's labels.
    specs : mapping
        The project's objects by name.
    object_map : mapping
        Recorded name -> name in the project, if they differ.
    objects : sequence of str
        Names in the project to keep; empty means all particles.

    Raises
    ------
    SettingsError
        If a recorded name is not in the project, or two map to one object; with both lists.
    """
    if recorded is None:
        recorded = {name: spec.label for name, spec in specs.items()}
    meant = _matched(recorded, specs, object_map, objects, finder="the segmentation")
    labels = {
        target: recorded[name]
        for target, name in meant.items()
        if objects or specs[target].is_particle
    }
    check_labels_differ(labels)
    return labels


def stated_labels(
    store: ProjectStore, run_name: str, key: SegmentationKey, *, warn: Callable[[str], None]
) -> dict[str, int] | None:
    """Return name -> value as a segmentation states it; None: taken to be the project's labels.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    key : SegmentationKey
        The segmentation.
    warn : callable
        Receives a message if the segmentation states nothing.
    """
    recorded = store.segmentation_labels(run_name, key)
    if recorded is None and not key.is_multilabel:
        return {key.name: 1}
    if recorded is None:
        warn(f"run {run_name}: {key} does not define its labels; assuming the project's")
    return recorded


def is_one_object(key: SegmentationKey, recorded: Mapping[str, int] | None) -> bool:
    """Return whether every value above 0 of a segmentation is one object.

    Parameters
    ----------
    key : SegmentationKey
        The segmentation.
    recorded : mapping or None
        Name -> value as it states it.
    """
    return not key.is_multilabel and (recorded is None or len(recorded) == 1)


def known_values(
    recorded: Mapping[str, int] | None, specs: Mapping[str, ObjectSpec]
) -> frozenset[int]:
    """Return the values of a segmentation that stand for something.

    Parameters
    ----------
    recorded : mapping or None
        Name -> value as it states it; None: the project's labels count.
    specs : mapping
        The project's objects by name.
    """
    values = [spec.label for spec in specs.values()] if recorded is None else recorded.values()
    return frozenset(values)


def read_labels(store: ProjectStore, run_name: str, key: SegmentationKey) -> IntVolume:
    """Return the labels (z, y, x) of a segmentation as integers, whatever their type.

    Parameters
    ----------
    store : ProjectStore
        The project.
    run_name : str
        The run.
    key : SegmentationKey
        The segmentation.

    Raises
    ------
    DataError
        If they are not whole numbers.
    ProjectError
        If it cannot be read.
    """
    values = store.open_segmentation(run_name, key).read()
    try:
        return whole_numbers(values)
    except DataError as error:
        msg = f"run {run_name}: {key}: {error}"
        raise DataError(msg) from error


def stored_unread(volume: LazyVolume, known: Collection[int]) -> dict[int, int]:
    """Return the values of a stored segmentation that stand for nothing known, with their voxels.

    Parameters
    ----------
    volume : LazyVolume
        Segmentation (z, y, x), read in layers of whole chunks.
    known : collection of int
        Values that mean something.
    """
    counts: dict[int, int] = {}
    for z_start in range(0, volume.shape[0], volume.chunk_planes):
        labels = whole_numbers(volume.read(z_start, z_start + volume.chunk_planes))
        for value, count in unread_values(labels, known).items():
            counts[value] = counts.get(value, 0) + count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def project_labels(
    channels: Mapping[str, int],
    specs: Mapping[str, ObjectSpec],
    object_map: Mapping[str, str],
    *,
    objects: Sequence[str],
) -> dict[str, int]:
    """Return object name in the project -> label, for the objects that a model finds.

    Parameters
    ----------
    channels : mapping
        Object name in the model -> channel.
    specs : mapping
        The project's objects by name.
    object_map : mapping
        Object name in the model -> name in the project, if they differ.
    objects : sequence of str
        Names in the project to keep; empty means all.

    Raises
    ------
    SettingsError
        If a name is unknown or two map to one object of the project; with both lists.
    """
    for name in object_map:
        if name not in channels:
            both = _both_sides(channels, specs, "the model")
            msg = f"--object-map: the model finds no '{name}'; {both}"
            raise SettingsError(msg)
    meant = _matched(channels, specs, object_map, objects, finder="the model")
    labels = {target: specs[target].label for target in meant}
    check_labels_differ(labels)
    return labels


def _matched(
    found: Mapping[str, int],
    specs: Mapping[str, ObjectSpec],
    object_map: Mapping[str, str],
    objects: Sequence[str],
    *,
    finder: str,
) -> dict[str, str]:
    """Return name in the project -> name in ``found``, for the objects that are kept."""
    both = _both_sides(found, specs, finder)
    meant: dict[str, str] = {}
    for name in found:
        target = object_map.get(name, name)
        if objects and target not in objects:
            continue
        if target not in specs:
            shared = [object_map.get(each, each) for each in found]
            shared = [each for each in shared if each in specs]
            use = (
                f"use --objects {','.join(shared)} for those in both" if shared else "use --objects"
            )
            msg = (
                f"no object '{target}' in the project: {use}, or --object-map {name}=NAME if "
                f"it has another name; {both}"
            )
            raise SettingsError(msg)
        if target in meant:
            msg = f"two objects of {finder} map to '{target}'; {both}"
            raise SettingsError(msg)
        meant[target] = name
    missing = [name for name in objects if name not in meant]
    if missing:
        where = "the model finds no" if finder == "the model" else "the segmentation contains no"
        near = nearest_name(missing[0], [*found, *specs])
        msg = f"--objects: {where} {choices_text(missing)}{near}; {both}"
        raise SettingsError(msg)
    return meant


def _both_sides(found: Mapping[str, int], specs: Mapping[str, ObjectSpec], finder: str) -> str:
    verb = "finds" if finder == "the model" else "holds"
    return f"{finder} {verb}: {choices_text(found)}; the project has: {choices_text(specs)}"
