"""The three steps of the main job as functions on arrays, for Python.

The commands call the same code; here there is no project. A setting that is None has the default of
the command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.evaluate import evaluate_picks
from copick_picker.core.localize import localize as localize_volume
from copick_picker.core.masks.grids import inside_of
from copick_picker.core.segment.device import use_threads
from copick_picker.core.segment.results import SegmentedVolume
from copick_picker.errors import SettingsError
from copick_picker.jobs.selection import check_object_names
from copick_picker.records.points import Localized, LocalizeTarget, PickSet
from copick_picker.records.runs import ObjectSpec
from copick_picker.records.scores import Evaluation
from copick_picker.settings.evaluate import EvaluateParameters, Matcher
from copick_picker.settings.files import join_settings
from copick_picker.settings.localize import LocalizeParameters, Method
from copick_picker.settings.scored_objects import scored_objects, scoring_rules
from copick_picker.settings.segment import (
    AugmentationSet,
    Blending,
    Contrast,
    Mode,
    SegmentVolumeSettings,
)
from copick_picker.workflows.evaluate.evaluate import with_min_score
from copick_picker.workflows.models.load import load_models
from copick_picker.workflows.models.run import run_models

Volume = npt.NDArray[Any]
PicksByRun = Mapping[str, Mapping[str, PickSet]]
Paths = str | Path | Sequence[str | Path]


def segment(
    volume: Volume,
    model: Paths,
    *,
    mask: Volume | None = None,
    probabilities: bool = False,
    scores: bool = True,
    mode: Mode | None = None,
    tta: int | None = None,
    tta_set: AugmentationSet | None = None,
    overlap: float | None = None,
    blending: Blending | None = None,
    contrast: Contrast | None = None,
    window_batch: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    model_config_file: Paths = (),
    model_weights: Paths = (),
    trust_checkpoint: bool = False,
) -> SegmentedVolume:
    """Return the labels of a tomogram, their scores, and where asked for all probabilities.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), any real dtype
        Tomogram at the model's voxel spacing; normalised here.
    model : str, path or sequence of those
        Model folder, or name of a model that ships with the package; several make an ensemble.
    mask : numpy.ndarray, shape (z, y, x), optional
        Bool or integer: where it is 0 the result is background, and windows wholly outside are not
        computed. Floats are inside from 0.5 on.
    probabilities : bool
        Whether the class probabilities are returned too.
    scores : bool
        Whether the probability of each voxel's label is returned, which gives picks their scores.
    mode : str, optional
        ``exact``: float32, and the windows and arithmetic of the model's home package;
        ``balanced`` (the default): every augmentation on windows that fit the tomogram; ``fast``:
        two passes of those.
    tta : int, optional
        Number of test-time augmentations, 1 to 8. Default: the model's.
    tta_set : str, optional
        ``octopi`` or ``quarter-turns``. Default: the model's.
    overlap : float, optional
        Overlap of neighbouring windows, as a fraction of the window. Default: 0, and the model's
        with ``exact``.
    blending : str, optional
        ``constant`` or ``gaussian`` weights within a window. Default: gaussian, and the model's
        with ``exact``.
    contrast : str, optional
        ``dark`` or ``bright``: how protein looks in the volume, which is flipped where the model
        was trained on the other. Default: ``auto``, as the model was trained.
    window_batch : int, optional
        Windows that go through the network at once. Default: 1 on a CPU, else 4.
    device : str, optional
        ``auto`` (the default), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    threads : int, optional
        CPU threads that torch uses from then on. Default: as it is.
    model_config_file, model_weights : str, path or sequence of those
        Octopi's pairs of files, in the same order, besides ``model``.
    trust_checkpoint : bool
        Whether weights that run code when they are read may be loaded.

    Returns
    -------
    SegmentedVolume
        ``labels`` (z, y, x) uint8: the model's channels, 0 is background; ``scores`` (z, y, x) and
        ``probabilities`` (c, z, y, x), float16 or None; ``targets``, the model's objects, and
        ``names``, label -> object.

    Raises
    ------
    SettingsError
        If a setting is wrong.
    CheckpointError
        If the model cannot be loaded.
    DataError
        If the volume is not (z, y, x), is constant or has voxels that are not finite, or if the
        mask is empty or of another shape.
    """
    given = {
        "model": _texts(model),
        "model_config_file": _texts(model_config_file),
        "model_weights": _texts(model_weights),
        "mode": mode,
        "tta": tta,
        "tta_set": tta_set,
        "overlap": overlap,
        "blending": blending,
        "contrast": contrast,
        "window_batch": window_batch,
        "device": device,
        "threads": threads,
        "trust_checkpoint": trust_checkpoint,
    }
    if not hasattr(volume, "shape"):
        volume = np.asarray(volume)
    settings = join_settings(SegmentVolumeSettings, flags=given, as_options=False)
    use_threads(settings.threads)
    models = load_models(settings)
    return run_models(
        volume,
        models,
        inverted=settings.contrast not in ("auto", models.contrast),
        probabilities=probabilities,
        scores=scores,
        mask_zyx=None if mask is None else inside_of(mask),
    )


def localize(
    labels: Volume | SegmentedVolume,
    targets: Sequence[LocalizeTarget] | None = None,
    *,
    voxel_spacing: float,
    probabilities: Volume | None = None,
    scores: Volume | None = None,
    radius: Mapping[str, float] | None = None,
    threshold: Mapping[str, float] | None = None,
    method: Method | None = None,
    radius_min_scale: float | None = None,
    radius_max_scale: float | None = None,
    target_max_scale: float | None = None,
    min_distance_radii: float | None = None,
    border_margin_angstrom: float | None = None,
    smoothing_radii: float | None = None,
    neck_ratio: float | None = None,
    peak_floor: float | None = None,
    peak_smoothing_radii: float | None = None,
) -> dict[str, Localized]:
    """Return scored picks of every target, by object name.

    Lengths in radii are fractions of each object's radius.

    Parameters
    ----------
    labels : SegmentedVolume, or numpy.ndarray, shape (z, y, x), integer
        What :func:`segment` returned, or any segmentation.
    targets : sequence of LocalizeTarget, optional
        What to look for: name, label, radius in Angstrom, and where known the channel of the
        probabilities, the target fraction and a score threshold. Default: the objects of the model
        that made a SegmentedVolume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    probabilities : numpy.ndarray, shape (c, z, y, x), optional
        Class probabilities; with them a score is the mean probability over the pick's region.
        Default: those of a SegmentedVolume.
    scores : numpy.ndarray, shape (z, y, x), optional
        Probability of each voxel's label, which gives the same scores. Default: those of a
        SegmentedVolume.
    radius, threshold : mapping of str to float, optional
        Object name -> radius in Angstrom, and least score, over those of the targets.
    method : str, optional
        ``watershed`` (the default) separates touching particles, ``peaks`` takes maxima of the
        probabilities, ``components`` takes centres of mass.
    radius_min_scale : float, optional
        Regions smaller than a ball of this scale times the target's radius are dropped.
        Default: 0.5.
    radius_max_scale : float, optional
        Regions larger than a ball of this scale times the radius are dropped. Default: 1.0 times
        the particle's radius, or ``target_max_scale`` times the painted radius where the target
        has a target fraction.
    target_max_scale : float, optional
        See there. Default: 1.5.
    min_distance_radii : float, optional
        Of two picks nearer than this the one of lower score is dropped. Default: 0.6.
    border_margin_angstrom : float, optional
        Picks nearer to a face of the volume are dropped. Default: 0.
    smoothing_radii : float, optional
        Standard deviation of the smoothing before markers are sought. Default: 0.1.
    neck_ratio : float, optional
        Two markers are one particle where the cross-section between them keeps this fraction.
        Default: 0.85.
    peak_floor : float, optional
        Lowest smoothed probability of a peak. Default: 0.2.
    peak_smoothing_radii : float, optional
        Standard deviation of the smoothing before peaks are sought. Default: 0.25.

    Returns
    -------
    dict of str to Localized
        Points (x, y, z) in Angstrom with scores, and what was dropped.

    Raises
    ------
    SettingsError
        If a setting is wrong, or a radius is missing.
    DataError
        If the arrays do not fit each other.
    """
    given = {
        "method": method,
        "radius_min_scale": radius_min_scale,
        "radius_max_scale": radius_max_scale,
        "target_max_scale": target_max_scale,
        "min_distance_radii": min_distance_radii,
        "border_margin_angstrom": border_margin_angstrom,
        "smoothing_radii": smoothing_radii,
        "neck_ratio": neck_ratio,
        "peak_floor": peak_floor,
        "peak_smoothing_radii": peak_smoothing_radii,
    }
    rules = join_settings(LocalizeParameters, flags=given, as_options=False).rules()
    if not isinstance(voxel_spacing, int | float | np.number) or not voxel_spacing > 0:
        msg = f"voxel_spacing: got {voxel_spacing!r}; expected a positive number, in Angstrom"
        raise SettingsError(msg)
    made = labels if isinstance(labels, SegmentedVolume) else SegmentedVolume(labels, None)
    given_targets = made.targets if targets is None else targets
    return localize_volume(
        made.labels,
        made.probabilities if probabilities is None else probabilities,
        _with_choices(given_targets, radius or {}, threshold or {}),
        voxel_spacing=voxel_spacing,
        rules=rules,
        scores=made.scores if scores is None else scores,
    )


def _with_choices(
    targets: Sequence[LocalizeTarget], radius: Mapping[str, float], threshold: Mapping[str, float]
) -> list[LocalizeTarget]:
    """Return the targets with the radii and thresholds that were given by name."""
    _check_kind(targets, LocalizeTarget, "targets", "LocalizeTarget(name, label, radius_angstrom)")
    if not targets:
        msg = "no targets given; for an array, pass LocalizeTarget(name, label, radius)"
        raise SettingsError(msg)
    specs = {target.object_name: ObjectSpec(target.object_name, 1, None) for target in targets}
    check_object_names(radius, specs, "radius")
    check_object_names(threshold, specs, "threshold")
    return [
        replace(
            target,
            radius_angstrom=radius.get(target.object_name, target.radius_angstrom),
            score_threshold=threshold.get(target.object_name, target.score_threshold),
        )
        for target in targets
    ]


def _check_kind(given: Sequence[object], kind: type, what: str, expected: str) -> None:
    for each in given:
        if not isinstance(each, kind):
            msg = f"{what}: got {each!r}; expected {expected}"
            raise SettingsError(msg)


def evaluate(
    reference: PicksByRun,
    candidate: PicksByRun,
    objects: Sequence[ObjectSpec],
    *,
    matcher: Matcher | None = None,
    tolerance: str | None = None,
    beta: float | None = None,
    radius: Mapping[str, float] | None = None,
    weight: Mapping[str, float] | None = None,
    min_score: Mapping[str, float] | None = None,
    border_margin_xy_angstrom: float | None = None,
    border_margin_z_angstrom: float | None = None,
    boxes_xyz: Mapping[str, npt.NDArray[np.float64]] | None = None,
    bootstrap: int | None = None,
    seed: int | None = None,
) -> Evaluation:
    """Return the scores of candidate picks against reference picks.

    Parameters
    ----------
    reference, candidate : mapping
        Run name -> object name -> picks in Angstrom. A missing entry means that there is no such
        set; an empty set means that nothing was found.
    objects : sequence of ObjectSpec
        The objects, with radius and weight.
    matcher : str, optional
        What counts as a hit: ``one-to-one`` (the default), ``czii``, ``octopi`` or ``byu``.
    tolerance : str, optional
        Greatest distance of a hit: a multiple of the object's radius such as ``0.5r`` (the
        default), or Angstrom such as ``60A``. With ``byu`` the default is ``1000A``.
    beta : float, optional
        How many times recall counts as much as precision in F-beta. Default: 4; 2 with ``byu``.
    radius : mapping of str to float, optional
        Object name -> radius in Angstrom, over that of ``objects``.
    weight : mapping of str to float, optional
        Object name -> weight in the macro average, over that of ``objects``.
    min_score : mapping of str to float, optional
        Object name -> lowest score of a candidate that counts. Default: all count.
    border_margin_xy_angstrom, border_margin_z_angstrom : float, optional
        Picks this near to an x or y face, or to a z face, are listed and not counted; a hit still
        counts. Default: 0.
    boxes_xyz : mapping of str to numpy.ndarray, shape (3,), optional
        Run name -> largest position (x, y, z) in Angstrom inside its tomogram; only a border margin
        needs it.
    bootstrap : int, optional
        Replicates of the bootstrap over runs; 0 leaves intervals out. Default: 1000.
    seed : int, optional
        Seed of the bootstrap. Default: 0.

    Returns
    -------
    Evaluation
        Scores per run, object and in all, with every pick and what became of it.

    Raises
    ------
    SettingsError
        If a setting is wrong, or a radius is missing.
    DataError
        If a position is not finite, or a border margin has no box.
    """
    given = {
        "matcher": matcher,
        "tolerance": tolerance,
        "beta": beta,
        "radius": radius,
        "weight": weight,
        "min_score": min_score,
        "border_margin_xy_angstrom": border_margin_xy_angstrom,
        "border_margin_z_angstrom": border_margin_z_angstrom,
        "bootstrap": bootstrap,
        "seed": seed,
    }
    settings = join_settings(EvaluateParameters, flags=given, as_options=False)
    _check_kind(objects, ObjectSpec, "objects", "ObjectSpec(name, label, radius_angstrom)")
    for side, picks in (("reference", reference), ("candidate", candidate)):
        for sets in picks.values():
            _check_kind(list(sets.values()), PickSet, side, "PickSet(name, points_xyz, scores)")
    specs = {spec.name: spec for spec in objects}
    scored, _ = scored_objects(settings, specs, reference)
    return evaluate_picks(
        reference,
        with_min_score(candidate, settings.min_score),
        scored,
        rules=scoring_rules(settings),
        rng=np.random.default_rng(settings.seed),
        boxes_xyz=boxes_xyz,
    )


def _texts(paths: Paths) -> tuple[str, ...]:
    """Return one path or several as a tuple of texts."""
    return (str(paths),) if isinstance(paths, str | Path) else tuple(str(path) for path in paths)
