"""Particles in a probability volume: maxima with sub-voxel positions."""

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.localize.candidates import Candidates, Search, first_of_neighbours
from copick_picker.core.localize.centres import FloatArray, squared_distance

FloatVolume = npt.NDArray[np.floating]

REGION_RADII = 0.5  # radius of a peak's region where the painted radius is unknown
SMOOTHING_REACH = 4.0  # standard deviations after which a Gaussian is cut off
TINY = 1e-6  # keeps logarithms finite


def peak_candidates(probability: FloatVolume, search: Search) -> Candidates:
    """Return the maxima of a smoothed probability volume.

    The volume is smoothed by a Gaussian; maxima at or above the floor are kept, of two nearer
    than the least distance the higher one. The position is refined along each axis by the
    parabola through the logarithms of three neighbours. The score is the mean probability in a
    ball of the painted radius (half the radius where that is unknown).

    Parameters
    ----------
    probability : numpy.ndarray, shape (z, y, x), floating
        Probability of the target.
    search : Search
        The target and the rules.
    """
    found = Candidates()
    sigma = search.rules.peak_smoothing_radii * search.radius
    places, heights = _maxima(probability, sigma, search.rules.peak_floor)
    order = np.lexsort((places[:, 2], places[:, 1], places[:, 0], -heights))
    places, heights = places[order], heights[order]
    apart = first_of_neighbours(places, search.rules.min_distance_radii * search.radius)
    known = search.target.target_fraction is not None
    region_radius = search.painted_radius if known else REGION_RADII * search.radius
    for place in places[apart]:
        found.add(place, _mean_in_ball(probability, place, region_radius))
    found.dropped["too close"] += int((~apart).sum())
    return found


def _maxima(
    probability: FloatVolume, sigma: float, floor: float
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Return refined places (z, y, x) and heights of the maxima of the smoothed volume."""
    reach = int(np.ceil(SMOOTHING_REACH * sigma))
    components = cc3d.connected_components(probability > floor, connectivity=26)
    boxes = cc3d.statistics(components, no_slice_conversion=True)["bounding_boxes"].astype(int)
    places = [np.zeros((0, 3))]
    heights = [np.zeros(0)]
    for number in range(1, len(boxes)):
        low = np.maximum(boxes[number, 0::2] - reach, 0)
        high = np.minimum(boxes[number, 1::2] + reach + 1, probability.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        smooth = ndimage.gaussian_filter(
            probability[box].astype(np.float32), sigma, mode="nearest", truncate=SMOOTHING_REACH
        )
        top = smooth == ndimage.maximum_filter(smooth, size=3, mode="nearest")
        top &= (smooth >= floor) & (components[box] == number)
        plateaus, count = ndimage.label(top, structure=np.ones((3, 3, 3)))
        numbers = np.arange(1, count + 1)
        for middle in ndimage.center_of_mass(top, plateaus, numbers):
            index = np.round(middle).astype(int)
            place = refined_peak(smooth, index) if (index == middle).all() else np.array(middle)
            places.append(place[None] + low)
            heights.append(smooth[tuple(index)][None].astype(np.float64))
    return np.concatenate(places), np.concatenate(heights)


def refined_peak(volume: FloatVolume, index_zyx: npt.NDArray[np.integer]) -> FloatArray:
    """Return the sub-voxel position of a maximum.

    Along each axis the vertex of the parabola through the logarithms of three neighbours, which
    is exact for a Gaussian; an axis is left as it is where a neighbour is outside.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), floating
        Values of 0 or more.
    index_zyx : numpy.ndarray, shape (3,), integer
        Voxel of the maximum.

    Returns
    -------
    numpy.ndarray, shape (3,), float64
        Position (z, y, x) in voxels, at most half a voxel from the index along each axis.

    Examples
    --------
    >>> grid = np.mgrid[:7, :8, :9] - np.array([3.2, 4.0, 4.7])[:, None, None, None]
    >>> blob = np.exp(-0.1 * (grid**2).sum(axis=0))
    >>> refined_peak(blob, np.array([3, 4, 5])).round(6).tolist()
    [3.2, 4.0, 4.7]
    """
    position = index_zyx.astype(np.float64)
    for axis in range(3):
        if not 0 < index_zyx[axis] < volume.shape[axis] - 1:
            continue
        step = np.zeros(3, dtype=int)
        step[axis] = 1
        values = [volume[tuple(index_zyx + shift * step)] for shift in (-1, 0, 1)]
        before, here, after = np.log(np.maximum(np.array(values, dtype=np.float64), TINY))
        bend = before - 2.0 * here + after
        if bend < 0:
            position[axis] += np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return position


def _mean_in_ball(probability: FloatVolume, centre_zyx: FloatArray, radius: float) -> float:
    low = np.maximum(np.floor(centre_zyx - radius), 0).astype(int)
    high = np.minimum(np.ceil(centre_zyx + radius) + 1, probability.shape).astype(int)
    region = probability[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    distance = squared_distance(region.shape, centre_zyx - low)
    inside = distance <= max(radius**2, distance.min())
    return float(region[inside].mean(dtype=np.float64))
