"""Picks from segmentations and probability volumes: the entry point, its checks and filters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from copick_picker.core.geometry import length_to_voxels, voxels_to_points
from copick_picker.core.localize.candidates import Candidates, Search, filtered
from copick_picker.core.localize.checks import (
    FloatVolume,
    IntVolume,
    check_channels,
    check_labels,
    check_method,
    check_targets,
    check_values,
)
from copick_picker.core.localize.components import find_components
from copick_picker.core.localize.peak_stream import localize_slabs
from copick_picker.core.localize.points import PointReader, limited_points, points_of_slabs
from copick_picker.core.localize.regions import (
    component_candidates,
    least_component,
    watershed_candidates,
)
from copick_picker.errors import DataError
from copick_picker.records.points import Localized, LocalizeRules, LocalizeTarget, PickSet


class LabelledSlab(NamedTuple):
    """Some planes that picks are made from; what a method does not need may be None.

    Attributes
    ----------
    z_start : int
        First plane.
    labels : numpy.ndarray, shape (k, y, x), integer, or None
        Segmentation.
    probabilities : numpy.ndarray, shape (c, k, y, x), floating, or None
        Class probabilities.
    maps : numpy.ndarray, shape (m, k, y, x), floating, or None
        Maps of a head that finds points; its planes may be blocks of the volume's, and
        ``z_start`` then counts those.
    scores : numpy.ndarray, shape (k, y, x), floating, or None
        Probability of each voxel's label, in place of all class probabilities.
    """

    z_start: int
    labels: IntVolume | None
    probabilities: FloatVolume | None
    maps: FloatVolume | None = None
    scores: FloatVolume | None = None


METHODS: Mapping[str, str] = {
    "watershed": "touching particles separated, centres of cut ones completed",
    "peaks": "maxima of the probability volumes",
    "components": "centres of mass of connected components",
}


def localize(
    labels: IntVolume | None,
    probabilities: FloatVolume | None,
    targets: Sequence[LocalizeTarget],
    *,
    voxel_spacing: float,
    rules: LocalizeRules,
    scores: FloatVolume | None = None,
) -> dict[str, Localized]:
    """Return the picks of every target, each with a score.

    ``watershed`` and ``components`` read the segmentation (without one, the most probable channel
    of each voxel); ``peaks`` reads the probability volumes. A score is the mean probability over
    the pick's region, or, from labels alone, its number of voxels over the number expected for a
    ball of the painted radius, at most 1.

    Parameters
    ----------
    labels : numpy.ndarray, shape (z, y, x), integer, or None
        Segmentation; 0 is background.
    probabilities : numpy.ndarray, shape (c, z, y, x), floating, or None
        Class probabilities in [0, 1]; each target names its channel.
    targets : sequence of LocalizeTarget
        What to look for.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rules : LocalizeRules
        Method and limits.
    scores : numpy.ndarray, shape (z, y, x), floating, optional
        Probability of each voxel's label, which scores regions as all probabilities would.

    Returns
    -------
    dict of str to Localized
        For each target in the given order: picks by decreasing score, then z, y, x. Points are
        (n, 3) float64 (x, y, z) in Angstrom; (0, 3) for an object without picks.

    Raises
    ------
    UnknownNameError
        If the method does not exist.
    SettingsError
        If an object has no positive radius, no label, or no channel although one is needed, or
        appears twice.
    DataError
        If a volume is missing, has a wrong shape or type, or contains values that are not finite.

    Examples
    --------
    >>> from copick_picker.core.labels import paint_spheres
    >>> from copick_picker.settings.localize import LocalizeParameters
    >>> truth = [[150.0, 120.0, 100.0], [250.0, 120.0, 100.0]]
    >>> labels = paint_spheres((21, 24, 40), {1: truth}, {1: 64.0}, voxel_spacing=10.0)
    >>> target = LocalizeTarget("ribosome", label=1, radius_angstrom=80.0)
    >>> rules = LocalizeParameters().rules()
    >>> found = localize(labels, None, [target], voxel_spacing=10.0, rules=rules)
    >>> found["ribosome"].picks.points_xyz.round().tolist()
    [[150.0, 120.0, 100.0], [250.0, 120.0, 100.0]]
    """
    check_method(rules.method, METHODS)
    check_targets(targets)
    shape = _checked_shape(labels, probabilities, targets, method=rules.method)
    if rules.method == "peaks" and probabilities is not None:
        return localize_slabs(
            [(0, probabilities)],
            targets,
            shape_zyx=shape,
            voxel_spacing=voxel_spacing,
            rules=rules,
        )
    searches = [
        Search(target, rules, length_to_voxels(target.radius_angstrom or 0.0, voxel_spacing))
        for target in targets
    ]
    if scores is not None:
        _check_scores(scores, shape)
    found = _regions(labels, probabilities, searches, scores)
    margin = length_to_voxels(rules.border_margin_angstrom, voxel_spacing)
    kind = "fill" if probabilities is None and scores is None else "probability"
    return {
        search.target.object_name: _localized(
            candidates, search, voxel_spacing, shape, margin, kind
        )
        for search, candidates in zip(searches, found, strict=True)
    }


def picks_of_slabs(
    slabs: Iterable[LabelledSlab],
    targets: Sequence[LocalizeTarget],
    *,
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    rules: LocalizeRules,
    reader: PointReader | None = None,
) -> dict[str, Localized]:
    """Return the picks of every target from a volume that comes in slabs.

    For a head that finds points, its points are used whatever the method, subject to the same
    limits of score, distance and border. Points and ``peaks`` keep a few planes at a time; the
    other methods
    keep the labels, and the probabilities or scores if slabs have them, until the last slab.

    Parameters
    ----------
    slabs : iterable of LabelledSlab
        Ascending and gapless along z. ``peaks`` needs no labels, the other methods need no
        probabilities.
    targets : sequence of LocalizeTarget
        What to look for.
    shape_zyx : tuple of int
        Shape of the whole volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rules : LocalizeRules
        Method and limits.
    reader : PointReader, optional
        For a head that finds points: how they are read from the slabs' maps.

    Raises
    ------
    UnknownNameError, SettingsError, DataError
        As :func:`localize`.

    Examples
    --------
    >>> from copick_picker.settings.localize import LocalizeParameters
    >>> slabs = [LabelledSlab(z, np.zeros((4, 6, 8), np.uint8), None) for z in (0, 4)]
    >>> target = LocalizeTarget("ribosome", label=1, radius_angstrom=80.0)
    >>> found = picks_of_slabs(
    ...     slabs, [target], shape_zyx=(8, 6, 8), voxel_spacing=10.0,
    ...     rules=LocalizeParameters().rules(),
    ... )
    >>> len(found["ribosome"].picks)
    0
    """
    if reader is not None:
        maps = ((slab.z_start, _present(slab.maps)) for slab in slabs)
        return limited_points(
            points_of_slabs(maps, reader.readout),
            targets,
            stride=reader.stride,
            shape_zyx=shape_zyx,
            voxel_spacing=voxel_spacing,
            rules=rules,
        )
    if rules.method == "peaks":
        return localize_slabs(
            ((slab.z_start, _present(slab.probabilities)) for slab in slabs),
            targets,
            shape_zyx=shape_zyx,
            voxel_spacing=voxel_spacing,
            rules=rules,
        )
    labels, probabilities, scores = _gathered(slabs, shape_zyx)
    return localize(
        labels, probabilities, targets, voxel_spacing=voxel_spacing, rules=rules, scores=scores
    )


def _present(probabilities: FloatVolume | None) -> FloatVolume:
    if probabilities is None:
        msg = "method 'peaks' needs probabilities; segment with --probabilities, or use 'watershed'"
        raise DataError(msg)
    return probabilities


def _localized(
    candidates: Candidates,
    search: Search,
    voxel_spacing: float,
    shape_zyx: tuple[int, ...],
    margin_voxels: float,
    score_kind: str,
) -> Localized:
    """Return the candidates of one target that pass the limits, as points in Angstrom."""
    centres_zyx, scores, dropped = filtered(
        candidates, search, shape_zyx=shape_zyx, margin_voxels=margin_voxels
    )
    points_xyz = voxels_to_points(centres_zyx, voxel_spacing)
    return Localized(PickSet(search.target.object_name, points_xyz, scores), dropped, score_kind)


def _gathered(
    slabs: Iterable[LabelledSlab], shape_zyx: tuple[int, int, int]
) -> tuple[IntVolume | None, FloatVolume | None, FloatVolume | None]:
    """Return whole labels, probabilities and scores; a single slab is passed on unchanged."""
    labels: IntVolume | None = None
    probabilities: FloatVolume | None = None
    scores: FloatVolume | None = None
    depth = shape_zyx[0]
    for z_start, part, shares, _, own in slabs:
        planes = slice(z_start, z_start + len(part if part is not None else _present(shares)[0]))
        if (planes.start, planes.stop) == (0, depth):
            return part, shares, own
        if part is not None:
            labels = np.empty(shape_zyx, part.dtype) if labels is None else labels
            labels[planes] = part
        if own is not None:
            scores = np.empty(shape_zyx, own.dtype) if scores is None else scores
            scores[planes] = own
        if shares is not None:
            if probabilities is None:
                probabilities = np.empty((len(shares), *shape_zyx), shares.dtype)
            probabilities[:, planes] = shares
    return labels, probabilities, scores


def _check_scores(scores: FloatVolume, shape_zyx: tuple[int, int, int]) -> None:
    if scores.shape != shape_zyx:
        msg = f"segmentation has shape {shape_zyx} but scores {scores.shape}; expected the same"
        raise DataError(msg)
    check_values(scores, "the labels")


def _checked_shape(
    labels: IntVolume | None,
    probabilities: FloatVolume | None,
    targets: Sequence[LocalizeTarget],
    *,
    method: str,
) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of the given volumes."""
    if labels is None and probabilities is None:
        msg = "got neither a segmentation nor probabilities; expected at least one"
        raise DataError(msg)
    if method == "peaks" and probabilities is None:
        msg = "method 'peaks' needs probabilities; segment with --probabilities, or use 'watershed'"
        raise DataError(msg)
    if probabilities is not None:
        check_channels(probabilities, targets)
        if method != "peaks":  # peaks checks them block by block
            for target in targets:
                check_values(probabilities[target.channel], target.object_name)
    if labels is None:
        z, y, x = probabilities.shape[1:] if probabilities is not None else (0, 0, 0)
        return z, y, x
    check_labels(labels)
    if probabilities is not None and probabilities.shape[1:] != labels.shape:
        msg = (
            f"segmentation has shape {labels.shape} but probabilities {probabilities.shape}; "
            "expected the same (z, y, x)"
        )
        raise DataError(msg)
    z, y, x = labels.shape
    return z, y, x


def _regions(
    labels: IntVolume | None,
    probabilities: FloatVolume | None,
    searches: Sequence[Search],
    scores: FloatVolume | None,
) -> list[Candidates]:
    """Return the candidates of the methods that start from connected components."""
    if labels is None and probabilities is not None:
        labels = _most_probable(probabilities, searches)
    if labels is None:
        return [Candidates() for _ in searches]
    components = find_components(
        labels,
        [search.target.label for search in searches],
        least_voxels=min(map(least_component, searches), default=np.inf),
        any_value=any(search.target.any_value for search in searches),
    )
    found = []
    for search in searches:
        channel = scores if probabilities is None else probabilities[search.target.channel]
        if search.rules.method == "components":
            found.append(component_candidates(components, search, channel))
        else:
            found.append(watershed_candidates(components, search, channel))
    return found


def _most_probable(probabilities: FloatVolume, searches: Sequence[Search]) -> IntVolume:
    """Return the target's label where its channel is the most probable, else 0."""
    label_of_channel = np.zeros(len(probabilities), dtype=np.int64)
    for search in searches:
        label_of_channel[search.target.channel] = search.target.label
    labels = np.zeros(probabilities.shape[1:], dtype=np.int64)
    for z, plane in enumerate(labels):
        plane[...] = label_of_channel[probabilities[:, z].argmax(axis=0)]
    return labels
