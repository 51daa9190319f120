"""Peaks of probabilities that come in blocks of planes: only a few planes are held at a time."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from copick_picker.core.geometry import length_to_voxels, voxels_to_points
from copick_picker.core.localize.candidates import (
    TOO_CLOSE,
    TOO_LARGE,
    Candidates,
    Search,
    filtered,
    first_of_neighbours,
)
from copick_picker.core.localize.checks import check_channels, check_targets, check_values
from copick_picker.core.localize.peaks import (
    FloatVolume,
    Plateau,
    find_plateaus,
    joined,
    mean_in_ball,
    smoothing_reach,
)
from copick_picker.errors import DataError
from copick_picker.records.points import Localized, LocalizeRules, LocalizeTarget, PickSet

REGION_RADII = 0.5  # radius of a peak's region where the painted radius is unknown
FLAT_RADII = 1.0  # a flat top longer than this along an axis is no particle
Slab = tuple[int, FloatVolume]


def localize_slabs(
    slabs: Iterable[Slab],
    targets: Sequence[LocalizeTarget],
    *,
    shape_zyx: tuple[int, int, int],
    voxel_spacing: float,
    rules: LocalizeRules,
) -> dict[str, Localized]:
    """Return the peaks of class probabilities that come in blocks of planes.

    The same picks, to the bit, as ``localize`` with method ``peaks`` makes of the whole volume.

    Parameters
    ----------
    slabs : iterable of (int, numpy.ndarray)
        First plane and class probabilities (c, z, y, x) in [0, 1]; ascending and gapless along z.
    targets : sequence of LocalizeTarget
        What to look for; each names its channel.
    shape_zyx : tuple of int
        Shape of the whole volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rules : LocalizeRules
        Limits of ``peaks``.

    Returns
    -------
    dict of str to Localized
        As ``localize`` returns.

    Raises
    ------
    SettingsError
        If a target has no positive radius or no channel, or stands twice.
    DataError
        If a block does not fit the volume or the one before, or holds values outside [0, 1].

    Examples
    --------
    >>> from copick_picker.settings.localize import LocalizeParameters
    >>> grid = np.mgrid[:20, :24, :28] - np.array([9.5, 12.0, 13.25])[:, None, None, None]
    >>> blob = np.exp(-0.05 * (grid**2).sum(axis=0))[None]
    >>> slabs = [(0, blob[:, :8]), (8, blob[:, 8:12]), (12, blob[:, 12:])]
    >>> target = LocalizeTarget("ribosome", label=1, radius_angstrom=80.0, channel=0)
    >>> rules = LocalizeParameters(method="peaks").rules()
    >>> found = localize_slabs(
    ...     slabs, [target], shape_zyx=(20, 24, 28), voxel_spacing=10.0, rules=rules
    ... )
    >>> found["ribosome"].picks.points_xyz.round(1).tolist()
    [[132.5, 120.0, 95.0]]
    """
    stream = PeakStream(targets, shape_zyx=shape_zyx, voxel_spacing=voxel_spacing, rules=rules)
    for z_start, probabilities in slabs:
        stream.add(z_start, probabilities)
    return stream.result()


class PeakStream:
    """Peaks of class probabilities that are handed over block by block along z.

    For whoever makes the probabilities and does not want to keep them: ``add`` each block as soon
    as it is final, then take ``result``. Between two blocks about three radii of planes are held
    for each target. Probabilities rounded to float16 before ``add`` give the picks that stored ones
    give.

    Parameters
    ----------
    targets : sequence of LocalizeTarget
        What to look for; each names its channel.
    shape_zyx : tuple of int
        Shape of the whole volume.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    rules : LocalizeRules
        Limits of ``peaks``.

    Raises
    ------
    SettingsError
        If a target has no positive radius or no channel, or stands twice.
    """

    def __init__(
        self,
        targets: Sequence[LocalizeTarget],
        *,
        shape_zyx: tuple[int, int, int],
        voxel_spacing: float,
        rules: LocalizeRules,
    ) -> None:
        check_targets(targets)
        self._targets = list(targets)
        self._shape = shape_zyx
        self._spacing = voxel_spacing
        self._margin = length_to_voxels(rules.border_margin_angstrom, voxel_spacing)
        self._known = 0
        self._tracks = [
            _Track(
                Search(each, rules, length_to_voxels(each.radius_angstrom or 0.0, voxel_spacing)),
                shape_zyx,
            )
            for each in targets
        ]

    def add(self, z_start: int, probabilities: FloatVolume) -> None:
        """Take the next planes.

        Parameters
        ----------
        z_start : int
            Plane of the volume where the block begins: where the one before ended.
        probabilities : numpy.ndarray, shape (c, z, y, x), floating
            Class probabilities in [0, 1]. The array is not kept.

        Raises
        ------
        DataError
            If the block does not fit the volume or the one before, or holds values outside [0, 1].
        SettingsError
            If a target's channel does not exist.
        """
        check_channels(probabilities, self._targets)
        stop = z_start + probabilities.shape[1]
        frame = (*probabilities.shape[2:],)
        if z_start != self._known or stop > self._shape[0] or frame != self._shape[1:]:
            msg = (
                f"got planes {z_start} to {stop} of (y, x) {frame}; expected them to start at "
                f"{self._known} in a volume (z, y, x) {self._shape}"
            )
            raise DataError(msg)
        for target in self._targets:
            check_values(probabilities[target.channel], target.object_name)
        for track, target in zip(self._tracks, self._targets, strict=True):
            track.add(probabilities[target.channel])
        self._known = stop

    def result(self) -> dict[str, Localized]:
        """Return the picks of every target, when all planes were taken.

        Returns
        -------
        dict of str to Localized
            As ``localize`` returns.

        Raises
        ------
        DataError
            If planes are missing.
        """
        if self._known != self._shape[0]:
            msg = f"got {self._known} planes of {self._shape[0]}"
            raise DataError(msg)
        results = {}
        for track in self._tracks:
            centres_zyx, scores, dropped = filtered(
                track.candidates(),
                track.search,
                shape_zyx=self._shape,
                margin_voxels=self._margin,
            )
            name = track.search.target.object_name
            picks = PickSet(name, voxels_to_points(centres_zyx, self._spacing), scores)
            results[name] = Localized(picks, dropped, "probability")
        return results


class _Track:
    """One target's way along z.

    Planes before ``searched`` were searched for maxima; ``held`` keeps those that smoothing,
    scoring and plateaus may still need.
    """

    def __init__(self, search: Search, shape_zyx: tuple[int, int, int]) -> None:
        self.search = search
        self.shape = shape_zyx
        self.sigma = search.rules.peak_smoothing_radii * search.radius
        self.margin = smoothing_reach(self.sigma) + 1
        known = search.target.target_fraction is not None
        self.region = search.painted_radius if known else REGION_RADII * search.radius
        self.longest = max(2, int(np.ceil(FLAT_RADII * search.radius)))
        self.held: FloatVolume = np.zeros((0, *shape_zyx[1:]), dtype=np.float16)
        self.z_held = 0
        self.searched = 0
        self.open: list[Plateau] = []
        self.unscored: list[Plateau] = []
        self.found: list[tuple[np.ndarray, float, float]] = []
        self.too_large = 0

    def add(self, block: FloatVolume) -> None:
        self.held = block if len(self.held) == 0 else np.concatenate([self.held, block])
        known = self.z_held + len(self.held)
        whole = known == self.shape[0]
        stop = known if whole else known - self.margin
        if whole or stop - self.searched >= self.margin:  # fewer planes are not worth smoothing
            planes = slice(self.searched - self.z_held, stop - self.z_held)
            fresh = find_plateaus(
                self.held,
                planes=planes,
                z_first=self.z_held,
                sigma=self.sigma,
                floor=self.search.rules.peak_floor,
            )
            self.searched = stop
            self._close(_joined_groups(self.open, fresh, self.shape[1:]), whole=whole)
        self._score(known, whole=whole)
        self._forget(whole=whole)

    def _close(self, plateaus: list[Plateau], *, whole: bool) -> None:
        """Sort plateaus into those that may go on, those to score, and those that are too large."""
        self.open = []
        for plateau in plateaus:
            if len(plateau.rim_yx) and not whole:
                self.open.append(plateau)
            elif plateau.extent > self.longest:
                self.too_large += 1
            else:
                self.unscored.append(plateau)

    def _score(self, known: int, *, whole: bool) -> None:
        waiting = []
        for plateau in self.unscored:
            place = plateau.place_zyx
            if not whole and np.ceil(place[0] + self.region) + 1 > known:
                waiting.append(plateau)
                continue
            score = mean_in_ball(
                self.held, place, self.region, z_first=self.z_held, planes=self.shape[0]
            )
            self.found.append((place, plateau.height, score))
        self.unscored = waiting

    def _forget(self, *, whole: bool) -> None:
        """Let go of the planes that nothing needs any more; what stays is a copy."""
        if whole:
            self.held = self.held[:0].copy()
            return
        reach = int(np.ceil(self.region)) + 2
        needed = [self.searched - self.margin, self.searched - reach]
        needed += [int(each.place_zyx[0]) - reach for each in self.unscored]
        needed += [int(each.first[0]) - reach for each in self.open if each.extent <= self.longest]
        first = max(min(needed), self.z_held)
        self.held = self.held[first - self.z_held :].copy()
        self.z_held = first

    def candidates(self) -> Candidates:
        """Return the peaks; of two nearer than the least distance the higher one."""
        places = np.array([place for place, _, _ in self.found]).reshape(-1, 3)
        heights = np.array([height for _, height, _ in self.found])
        order = np.lexsort((places[:, 2], places[:, 1], places[:, 0], -heights))
        least = self.search.rules.min_distance_radii * self.search.radius
        apart = first_of_neighbours(places[order], least)
        kept = Candidates()
        for number in order[apart]:
            place, _, score = self.found[number]
            kept.add(place, score)
        kept.dropped[TOO_CLOSE] += int((~apart).sum())
        kept.dropped[TOO_LARGE] += self.too_large
        return kept


def _joined_groups(
    before: list[Plateau], fresh: list[Plateau], shape_yx: tuple[int, ...]
) -> list[Plateau]:
    """Return plateaus after joining those of the last plane before with those of the first now."""
    if not before:
        return fresh
    rim = np.zeros(tuple(size + 2 for size in shape_yx), dtype=np.int64)
    for number, plateau in enumerate(before, start=1):
        rim[tuple(plateau.rim_yx.T + 1)] = number
    pairs: list[tuple[int, int]] = []
    for number, plateau in enumerate(fresh, start=len(before)):
        y, x = plateau.start_yx.T + 1
        beside = [rim[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        pairs += [(int(each) - 1, number) for each in np.unique(beside) if each > 0]
    total = len(before) + len(fresh)
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(total, total))
    group_of: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    # Rims of the planes before are done with: only what lies in the block searched now goes on.
    ended = [_without_rim(plateau) for plateau in before]
    groups: dict[int, list[Plateau]] = {}
    for plateau, group in zip([*ended, *fresh], group_of.tolist(), strict=True):
        groups.setdefault(group, []).append(plateau)
    return [joined(parts) if len(parts) > 1 else parts[0] for parts in groups.values()]


def _without_rim(plateau: Plateau) -> Plateau:
    return Plateau(**{**vars(plateau), "rim_yx": plateau.rim_yx[:0]})
