"""Particles in a segmentation: connected components, separated and centred."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.localize.candidates import TOO_SMALL, Candidates, Search
from copick_picker.core.localize.centres import (
    FloatArray,
    ball_radius,
    ball_volume,
    fit_ball,
    free_surface,
    visible_fraction,
    whole_centre,
)
from copick_picker.core.localize.components import Box, Components
from copick_picker.core.localize.splitting import CellArray, SplitRule, is_one_ball, split_cells

LEAST_VISIBLE = 0.1  # a particle centred inside the volume shows at least an eighth of itself
CONTACT_LIMIT = 0.05  # a cell with a larger part of its surface on other cells counts as cut
LEAST_SURFACE_POINTS = 12
LEAST_WHOLE = 5  # whole particles from which the usual radius of an object is taken
FIT_LIMIT = 0.6  # a fit that leaves the centre of mass by more than this many radii is dropped
FIT_RADIUS_RANGE = (0.3, 1.5)  # radii of fits that are believed, in particle radii


@dataclass(frozen=True, eq=False)
class Region:
    """Voxels of one particle.

    Attributes
    ----------
    cells : numpy.ndarray, shape (z, y, x), int32
        Cells of its component within the box; this particle's is ``number``.
    number : int
        Its cell.
    start_zyx : numpy.ndarray, shape (3,), float64
        Corner of the box in the volume.
    voxel_count : int
        Its size.
    score : float or None
        Mean probability over its voxels; None without probabilities.
    at_border : bool
        Whether it touches a face of the volume.
    in_contact : bool
        Whether other cells hide a good part of its surface.
    """

    cells: CellArray
    number: int
    start_zyx: FloatArray
    voxel_count: int
    score: float | None
    at_border: bool
    in_contact: bool

    @property
    def is_whole(self) -> bool:
        """Return whether all of the particle's surface is seen."""
        return not (self.at_border or self.in_contact)

    def centre_of_mass(self) -> FloatArray:
        """Return the plain centre of mass (z, y, x) within the box."""
        centre: FloatArray = np.argwhere(self.cells == self.number).mean(axis=0)
        return centre


def watershed_candidates(
    components: Components,
    search: Search,
    probabilities: npt.NDArray[np.floating] | None,
) -> Candidates:
    """Return separated and centred particles of one target.

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
    regions: list[Region] = []
    for number in components.of_label(search.target.label):
        if _hopeless(components, number, search):
            found.dropped[TOO_SMALL] += 1
            continue
        regions += _component_regions(components, number, search, probabilities)
    usual_radius = _usual_radius(regions, search)
    for region in regions:
        centre, visible = _centre(region, search, usual_radius, components.ids.shape)
        if found.fits(region.voxel_count / visible, search):
            expected = visible * ball_volume(search.painted_radius)
            fill = min(1.0, region.voxel_count / expected)
            found.add(centre, fill if region.score is None else region.score)
    return found


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


def _hopeless(components: Components, number: int, search: Search) -> bool:
    """Return whether a component is too small even if the volume hides a part of it."""
    box = components.boxes[number]
    at_border = (box[0::2] == 0).any() or (box[1::2] == np.array(components.ids.shape) - 1).any()
    least = search.least_volume * (LEAST_VISIBLE if at_border else 1.0)
    return bool(components.voxel_counts[number] < least)


def _component_regions(
    components: Components,
    number: int,
    search: Search,
    probabilities: npt.NDArray[np.floating] | None,
) -> Iterator[Region]:
    mask, box = components.crop(number)
    shape = components.ids.shape
    voxels = np.argwhere(mask)
    if not _at_border(voxels + _start(box), shape) and is_one_ball(voxels, search.largest_volume):
        cells = mask.astype(np.int32)
    else:
        rule = SplitRule(
            radius=search.radius,
            smoothing=search.rules.smoothing_radii * search.radius,
            neck_ratio=search.rules.neck_ratio,
            largest_volume=search.largest_volume,
        )
        cells = split_cells(mask, rule)
    for cell, tight in enumerate(ndimage.find_objects(cells), start=1):
        if tight is None:
            continue
        inner = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in tight)
        mine = cells[inner] == cell
        start = _start(box) + [s.start for s in inner]
        probability = None if probabilities is None else probabilities[box][inner][mine]
        yield Region(
            cells=cells[inner],
            number=cell,
            start_zyx=start,
            voxel_count=int(mine.sum()),
            score=None if probability is None else float(probability.mean(dtype=np.float64)),
            at_border=_at_border(np.argwhere(mine) + start, shape),
            in_contact=_contact_fraction(cells[inner], cell) > CONTACT_LIMIT,
        )


def _start(box: Box | tuple[slice, ...]) -> FloatArray:
    return np.array([part.start for part in box], dtype=np.float64)


def _at_border(voxels: FloatArray, shape: tuple[int, ...]) -> bool:
    return bool((voxels == 0).any() or (voxels == np.array(shape) - 1).any())


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
    whole = [ball_radius(r.voxel_count) for r in regions if r.is_whole]
    whole = [radius for radius in whole if ball_volume(radius) >= search.least_volume]
    if len(whole) >= LEAST_WHOLE:
        return float(np.median(whole))
    fits = [_fitted(region, search, None) for region in regions if not region.is_whole]
    radii = whole + [fit[1] for fit in fits if fit is not None]
    return float(np.median(radii)) if radii else None


def _fitted(
    region: Region, search: Search, usual_radius: float | None
) -> tuple[FloatArray, float] | None:
    """Return the ball (within the box) that fits the free surface, None if none is believed."""
    surface = free_surface(region.cells, region.number)
    if len(surface) < LEAST_SURFACE_POINTS:
        return None
    mass = region.centre_of_mass()
    centre, radius = fit_ball(
        surface,
        mass,
        radius=ball_radius(region.voxel_count) if usual_radius is None else usual_radius,
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
    fit = None if region.is_whole else _fitted(region, search, usual_radius)
    if fit is None:
        return whole_centre(region.cells, region.number) + region.start_zyx, 1.0
    centre = np.clip(fit[0] + region.start_zyx, 0.0, np.array(shape) - 1.0)
    if not region.at_border:
        return centre, 1.0
    return centre, max(LEAST_VISIBLE, visible_fraction(centre, fit[1], shape))
