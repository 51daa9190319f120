"""Hard negatives: the highest-scoring false positives of a network on its training runs."""

from collections.abc import Mapping

import numpy as np

from copick_picker.core.geometry import length_to_voxels, points_to_voxels
from copick_picker.core.heads.targets import false_positive_centres
from copick_picker.records.points import PickSet

Centre = tuple[float, float, float]
"""(z, y, x) in voxels."""


def hard_negatives(
    candidate: Mapping[str, PickSet],
    reference: Mapping[str, PickSet],
    distances_angstrom: Mapping[str, float],
    *,
    voxel_spacing: float,
    least_score: float,
) -> list[Centre]:
    """Return the centres of false candidates of one run, the highest score first.

    Parameters
    ----------
    candidate, reference : mapping of str to PickSet
        Picks by object; objects without a reference set are ignored.
    distances_angstrom : mapping of str to float
        Object name -> minimum distance of a hard negative from any reference pick.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    least_score : float
        Candidates with lower scores are ignored.
    """
    known = [points_to_voxels(picks.points_xyz, voxel_spacing) for picks in reference.values()]
    references = np.concatenate([np.zeros((0, 3)), *known])
    scored: list[tuple[float, Centre]] = []
    for name, distance in distances_angstrom.items():
        if name not in candidate or name not in reference:
            continue
        picks = candidate[name].chosen(candidate[name].scores >= least_score)
        centres = points_to_voxels(picks.points_xyz, voxel_spacing)
        far = false_positive_centres(
            centres, references, tolerance_voxels=length_to_voxels(distance, voxel_spacing)
        )
        kept = {tuple(row) for row in far.tolist()}
        scored += [
            (-float(score), (z, y, x))
            for (z, y, x), score in zip(centres.tolist(), picks.scores, strict=True)
            if (z, y, x) in kept
        ]
    return [centre for _, centre in sorted(scored)]
