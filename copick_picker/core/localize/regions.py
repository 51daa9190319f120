"""Particles in a segmentation: connected components, separated and centred."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.localize.candidates import TOO_SMALL, Candidates, Search
from copick_picker.core.localize.centres import (
    FloatArray,
    ball_radius,
    ball_volume,
    count_and_sum,
    fit_ball,
    free_surface,
    visible_fraction,
    whole_centre,
)
from copick_picker.core.localize.components import Box, Components, IntArray
from copick_picker.core.localize.splitting import (
    BoolArray,
    CellArray,
    SplitRule,
    are_one_ball,
    split_cells,
)

LEAST_VISIBLE = 0.1  # a particle centred inside the volume shows at least an eighth of itself
CONTACT_LIMIT = 0.05  # a cell with a larger part of its surface on other cells counts as cut
LEAST_SURFACE_POINTS = 12
LEAST_WHOLE = 5  # whole particles from which the usual radius of an object is taken
FIT_LIMIT = 0.6  # a fit that leaves the centre of mass by more than this many radii is dropped
FIT_RADIUS_RANGE = (0.3, 1.5)  # radii of fits that are believed, in particle radii


@dataclass(frozen=True, eq=False)
class Cut:
    """A particle of which a part is hidden, by a face of the volume or by others.

    Attributes
    ----------
    cells : numpy.ndarray, shape (z, y, x), int32
        Cells of its component within the box; this particle's is ``number``.
    number : int
        Its cell.
    start_zyx : numpy.ndarray, shape (3,), float64
        Corner of the box in the volume.
    at_border : bool
        Whether it touches a face of the volume.
    """

    cells: CellArray
    number: int
    start_zyx: FloatArray
    at_border: bool


@dataclass(frozen=True, eq=False)
class Region:
    """What is known of one particle's voxels.

    Attributes
    ----------
    voxel_count : int
        Their number.
    score : float or None
        Mean probability over them; None without probabilities.
    centre_zyx : numpy.ndarray, shape (3,), float64
        Centre of mass (z, y, x) in the volume, inner holes filled.
    cut : Cut or None
        What is needed to fit a ball where a part is hidden; None for a whole particle.
    """

    voxel_count: int
    score: float | None
    centre_zyx: FloatArray
    cut: Cut | None


def watershed_candidates(
    components: Components,
    search: Search,
    probabilities: npt.NDArray[np.floating] | None,
) -> Candidates:
    """Return separated and centred particles of one target.

    Parameters
    ----------
    components : Components
        Connected components of the segmentation, with the centres of those that are large enough.
    search : Search
        The target and the rules.
    probabilities : numpy.ndarray, shape (z, y, x), floating, or None
        Probability of the target.
    """
    found = Candidates()
    numbers = components.of_label(search.target.label)
    hopeless = _hopeless(components, numbers, search)
    found.dropped[TOO_SMALL] += int(hopeless.sum())
    numbers = numbers[~hopeless]
    regions: list[Region] = []
    for number, single in zip(numbers, _single(components, numbers, search), strict=True):
        mask, box = components.crop(number)
        cells = mask.astype(np.int32) if single else split_cells(mask, _split_rule(search))
        probability = None if probabilities is None else probabilities[box]
        if single:
            regions.append(_whole(cells, 1, _start(box), probability))
        else:
            regions += _cell_regions(cells, box, probability, components.ids.shape)
    usual_radius = _usual_radius(regions, search)
    for region in regions:
        centre, visible = _centre(region, search, usual_radius, components.ids.shape)
        if found.fits(region.voxel_count / visible, search):
            expected = visible * ball_volume(search.painted_radius)
            fill = min(1.0, region.voxel_count / expected)
            found.add(centre, fill if region.score is None else region.score)
    return found


def least_component(search: Search) -> float:
    """Return the fewest voxels of a component that may be a part of a particle.

    Parameters
    ----------
    search : Search
        The target and the rules.
    """
    return search.least_volume * LEAST_VISIBLE


def component_candidates(
    components: Components,
    search: Search,
    probabilities: npt.NDArray[np.floating] | None,
) -> Candidates:
    """Return the centres of mass of the connected components of one target.

    Parameters
    ----------
    components : Components
        Connected components of the segmentation.
    search : Search
        The target and the rules.
    probabilities : numpy.ndarray, shape (z, y, x), floating, or None
        Probability of the target.
    """
    found = Candidates()
    for number in components.of_label(search.target.label):
        count = int(components.voxel_counts[number])
        if not found.fits(count, search):
            continue
        mask, box = components.crop(number)
        centre = np.argwhere(mask).mean(axis=0) + _start(box)
        score = min(1.0, count / ball_volume(search.painted_radius))
        if probabilities is not None:
            score = float(probabilities[box][mask].mean(dtype=np.float64))
        found.add(centre, score)
    return found


def _hopeless(components: Components, numbers: IntArray, search: Search) -> BoolArray:
    """Return which components are too small even if the volume hides a part of them."""
    least = np.where(_at_border(components, numbers), least_component(search), search.least_volume)
    return np.asarray(components.voxel_counts[numbers] < least)


def _at_border(components: Components, numbers: IntArray) -> BoolArray:
    """Return which components touch a face of the volume."""
    boxes = components.boxes[numbers]
    last = np.array(components.ids.shape) - 1
    return np.asarray((boxes[:, 0::2] == 0).any(axis=1) | (boxes[:, 1::2] == last).any(axis=1))


def _single(components: Components, numbers: IntArray, search: Search) -> BoolArray:
    """Return which components are one whole, compact particle that need not be looked at twice."""
    place = np.searchsorted(components.large, numbers)
    compact = are_one_ball(
        components.voxel_counts[numbers], components.covariances_zyx[place], search.largest_volume
    )
    return compact & ~_at_border(components, numbers)


def _split_rule(search: Search) -> SplitRule:
    return SplitRule(
        radius=search.radius,
        smoothing=search.rules.smoothing_radii * search.radius,
        neck_ratio=search.rules.neck_ratio,
        largest_volume=search.largest_volume,
    )


def _cell_regions(
    cells: CellArray,
    box: Box,
    probability: npt.NDArray[np.floating] | None,
    shape: tuple[int, ...],
) -> Iterator[Region]:
    """Yield the region of each cell of a component in its box."""
    for number, tight in enumerate(ndimage.find_objects(cells), start=1):
        if tight is None:
            continue
        inner = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in tight)
        start = _start(box) + _start(inner)
        own = None if probability is None else probability[inner]
        region = _whole(cells[inner], number, start, own)
        first = _start(box) + _start(tight)
        last = _start(box) + [part.stop - 1 for part in tight]
        at_border = bool((first == 0).any() or (last == np.array(shape) - 1).any())
        if at_border or _contact_fraction(cells[inner], number) > CONTACT_LIMIT:
            region = replace(region, cut=Cut(cells[inner], number, start, at_border))
        yield region


def _whole(
    cells: CellArray,
    number: int,
    start_zyx: FloatArray,
    probability: npt.NDArray[np.floating] | None,
) -> Region:
    """Return the region of a cell in its box as if all of it were seen."""
    mine = cells == number
    score = None if probability is None else float(probability[mine].mean(dtype=np.float64))
    centre = whole_centre(cells, number) + start_zyx
    return Region(int(np.count_nonzero(mine)), score, centre, None)


def _start(box: Box | tuple[slice, ...]) -> FloatArray:
    return np.array([part.start for part in box], dtype=np.float64)


def _contact_fraction(cells: CellArray, number: int) -> float:
    """Return which part of a cell's faces lies on other cells."""
    if cells.max() == number and cells[cells > 0].min() == number:
        return 0.0
    faces = contacts = 0
    for axis in range(3):
        before = np.moveaxis(cells, axis, 0)[:-1]
        after = np.moveaxis(cells, axis, 0)[1:]
        for one, other in ((before, after), (after, before)):
            beside = other[(one == number) & (other != number)]
            faces += beside.size
            contacts += int(np.count_nonzero(beside))
    return contacts / faces if faces else 0.0


def _usual_radius(regions: list[Region], search: Search) -> float | None:
    """Return the radius in voxels that most regions of the object have, None if unknown."""
    whole = [ball_radius(region.voxel_count) for region in regions if region.cut is None]
    whole = [radius for radius in whole if ball_volume(radius) >= search.least_volume]
    if len(whole) >= LEAST_WHOLE:
        return float(np.median(whole))
    fits = [_fitted(each.cut, each.voxel_count, search, None) for each in regions if each.cut]
    radii = whole + [fit[1] for fit in fits if fit is not None]
    return float(np.median(radii)) if radii else None


def _fitted(
    cut: Cut, voxel_count: int, search: Search, usual_radius: float | None
) -> tuple[FloatArray, float] | None:
    """Return the ball (within the box) that fits the free surface, None if none is believed."""
    surface = free_surface(cut.cells, cut.number)
    if len(surface) < LEAST_SURFACE_POINTS:
        return None
    count, total = count_and_sum(cut.cells == cut.number)
    mass = total / count
    centre, radius = fit_ball(
        surface,
        mass,
        radius=ball_radius(voxel_count) if usual_radius is None else usual_radius,
        radius_is_known=usual_radius is not None,
    )
    low, high = FIT_RADIUS_RANGE
    near = np.linalg.norm(centre - mass) <= FIT_LIMIT * search.radius
    believed = near and low * search.radius <= radius <= high * search.radius
    return (centre, radius) if believed else None


def _centre(
    region: Region, search: Search, usual_radius: float | None, shape: tuple[int, ...]
) -> tuple[FloatArray, float]:
    """Return the centre (z, y, x) in the volume and which part of the particle is seen."""
    cut = region.cut
    fit = None if cut is None else _fitted(cut, region.voxel_count, search, usual_radius)
    if cut is None or fit is None:
        return region.centre_zyx, 1.0
    centre = np.clip(fit[0] + cut.start_zyx, 0.0, np.array(shape) - 1.0)
    if not cut.at_border:
        return centre, 1.0
    return centre, max(LEAST_VISIBLE, visible_fraction(centre, fit[1], shape))
