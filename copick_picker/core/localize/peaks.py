"""Maxima of smoothed probabilities: where they are, how high, with sub-voxel positions."""

from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from copick_picker.core.localize.centres import FloatArray, squared_distance
from copick_picker.core.localize.neighbours import IndexArray, tops, touching

FloatVolume = npt.NDArray[np.floating]

SMOOTHING_REACH = 4.0  # standard deviations after which a Gaussian is cut off
TINY = 1e-6  # keeps logarithms finite


@dataclass(frozen=True, eq=False)
class Plateau:
    """Connected voxels of one value that are as high as all their neighbours; mostly one voxel.

    Attributes
    ----------
    height : float
        Smoothed probability.
    count : int
        Number of voxels.
    index_sum : numpy.ndarray, shape (3,), int64
        Sum of the indices (z, y, x) of the voxels in the volume.
    first, last : numpy.ndarray, shape (3,), int64
        Lowest and highest index along each axis.
    seed : numpy.ndarray, shape (3,), int64
        Its first voxel (z, y, x) in the order of the volume.
    shift : numpy.ndarray, shape (3,), float64
        What that voxel lacks to the vertex of the parabola, see ``peak_shift``.
    rim_yx : numpy.ndarray, shape (n, 2), int64
        Its voxels (y, x) in the last plane that was searched.
    start_yx : numpy.ndarray, shape (n, 2), int64
        Its voxels (y, x) in the first plane that was searched.
    """

    height: float
    count: int
    index_sum: IndexArray
    first: IndexArray
    last: IndexArray
    seed: IndexArray
    shift: FloatArray
    rim_yx: IndexArray
    start_yx: IndexArray

    @property
    def place_zyx(self) -> FloatArray:
        """Return the position (z, y, x) in voxels: refined along axes with a single voxel."""
        middle: FloatArray = self.index_sum / self.count
        return middle + np.where(self.first == self.last, self.shift, 0.0)

    @property
    def extent(self) -> int:
        """Return the number of voxels along the longest axis."""
        return int((self.last - self.first).max()) + 1


def joined(parts: list[Plateau]) -> Plateau:
    """Return the plateau that touching plateaus of neighbouring blocks of planes make together.

    Parameters
    ----------
    parts : list of Plateau
        Its parts.
    """
    foremost = min(parts, key=lambda part: tuple(part.seed))
    return Plateau(
        height=parts[0].height,
        count=sum(part.count for part in parts),
        index_sum=np.sum([part.index_sum for part in parts], axis=0),
        first=np.min([part.first for part in parts], axis=0),
        last=np.max([part.last for part in parts], axis=0),
        seed=foremost.seed,
        shift=foremost.shift,
        rim_yx=np.concatenate([part.rim_yx for part in parts]),
        start_yx=np.concatenate([part.start_yx for part in parts]),
    )


def smoothing_reach(sigma: float) -> int:
    """Return how many voxels away the smoothing still takes values from.

    Parameters
    ----------
    sigma : float
        Standard deviation in voxels.
    """
    return int(np.ceil(SMOOTHING_REACH * sigma))


def find_plateaus(
    probability: FloatVolume, *, planes: slice, z_first: int, sigma: float, floor: float
) -> list[Plateau]:
    """Return the maxima of the smoothed probability in a block of planes.

    A maximum is as high as all its 26 neighbours, at least as high as the floor, and its own
    probability is above the floor. Only the surroundings of voxels above the floor are smoothed:
    the values there are those of smoothing everything.

    Parameters
    ----------
    probability : numpy.ndarray, shape (z, y, x), floating
        Planes of the volume: those to be searched and, at each side that is no face of the
        volume, one more than ``smoothing_reach``.
    planes : slice
        Which of them are searched.
    z_first : int
        Plane of the volume where the array begins.
    sigma : float
        Standard deviation of the smoothing in voxels.
    floor : float
        Lowest smoothed probability of a maximum.
    """
    margin = smoothing_reach(sigma) + 1
    components = cc3d.connected_components(probability[planes] > floor, connectivity=26)
    boxes = _boxes(components, probability.shape, planes=planes, margin=margin)
    found: list[Plateau] = []
    for box in boxes:
        smooth = ndimage.gaussian_filter(
            probability[_slices(box.low, box.high)].astype(np.float32),
            sigma,
            mode="nearest",
            truncate=SMOOTHING_REACH,
        )
        near_low = np.maximum(box.first - 1, 0)
        near_high = np.minimum(box.last + 1, probability.shape)
        near = smooth[_slices(near_low - box.low, near_high - box.low)]
        inner = _slices(box.first - near_low, box.last - near_low)
        start_zyx = np.array([planes.start, 0, 0])
        inside = components[_slices(box.first - start_zyx, box.last - start_zyx)]
        high = near[inner] >= floor
        high &= inside > 0 if box.number is None else inside == box.number
        voxels = tops(near, np.argwhere(high) + (box.first - near_low))
        ends = (planes.start - near_low[0], planes.stop - 1 - near_low[0])
        offset = near_low + np.array([z_first, 0, 0])
        groups = touching(voxels)
        found += [_plateau(each, near, offset=offset, ends=ends) for each in groups]
    return found


@dataclass(frozen=True, eq=False)
class _Box:
    """A part of an array: maxima are sought from first to last, low to high is smoothed."""

    number: int | None
    first: IndexArray
    last: IndexArray
    low: IndexArray
    high: IndexArray


def _boxes(
    components: npt.NDArray[np.unsignedinteger],
    shape: tuple[int, ...],
    *,
    planes: slice,
    margin: int,
) -> list[_Box]:
    """Return a box for each component, or one for all where they would be more work."""
    stated = cc3d.statistics(components, no_slice_conversion=True)["bounding_boxes"]
    start_zyx = np.array([planes.start, 0, 0])
    first = stated[1:, 0::2].astype(np.int64) + start_zyx
    last = stated[1:, 1::2].astype(np.int64) + start_zyx + 1
    low, high = np.maximum(first - margin, 0), np.minimum(last + margin, shape)
    end = np.array([planes.stop, *shape[1:]])
    if (high - low).prod(axis=1).sum() > np.prod(shape):
        return [_Box(None, start_zyx, end, np.zeros(3, dtype=np.int64), np.array(shape))]
    return [_Box(n + 1, first[n], last[n], low[n], high[n]) for n in range(len(first))]


def _slices(low: npt.NDArray[np.integer], high: npt.NDArray[np.integer]) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _plateau(
    voxels: IndexArray,
    values: npt.NDArray[np.float32],
    *,
    offset: IndexArray,
    ends: tuple[int, int],
) -> Plateau:
    """Return a plateau from its voxels in an array that begins at ``offset`` in the volume."""
    placed = voxels + offset
    return Plateau(
        height=float(values[tuple(voxels[0])]),
        count=len(voxels),
        index_sum=placed.sum(axis=0),
        first=placed.min(axis=0),
        last=placed.max(axis=0),
        seed=placed[0],
        shift=peak_shift(values, voxels[0]),
        rim_yx=placed[voxels[:, 0] == ends[1], 1:],
        start_yx=placed[voxels[:, 0] == ends[0], 1:],
    )


def peak_shift(volume: FloatVolume, index_zyx: npt.NDArray[np.integer]) -> FloatArray:
    """Return how far the vertex of a maximum lies from its voxel.

    Along each axis the vertex of the parabola through the logarithms of three neighbours, which
    is exact for a Gaussian; 0 along an axis where a neighbour is outside.

    Parameters
    ----------
    volume : numpy.ndarray, shape (z, y, x), floating
        Values of 0 or more.
    index_zyx : numpy.ndarray, shape (3,), integer
        Voxel of the maximum.

    Returns
    -------
    numpy.ndarray, shape (3,), float64
        Shift (z, y, x) in voxels, at most half a voxel along each axis.

    Examples
    --------
    >>> grid = np.mgrid[:7, :8, :9] - np.array([3.2, 4.1, 4.7])[:, None, None, None]
    >>> blob = np.exp(-0.1 * (grid**2).sum(axis=0))
    >>> peak_shift(blob, np.array([3, 4, 5])).round(6).tolist()
    [0.2, 0.1, -0.3]
    """
    shift = np.zeros(3)
    for axis in range(3):
        if not 0 < index_zyx[axis] < volume.shape[axis] - 1:
            continue
        step = np.zeros(3, dtype=int)
        step[axis] = 1
        values = [volume[tuple(index_zyx + side * step)] for side in (-1, 0, 1)]
        before, here, after = np.log(np.maximum(np.array(values, dtype=np.float64), TINY))
        bend = before - 2.0 * here + after
        if bend < 0:
            shift[axis] = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return shift


def mean_in_ball(
    probability: FloatVolume,
    centre_zyx: FloatArray,
    radius: float,
    *,
    z_first: int,
    planes: int,
) -> float:
    """Return the mean probability in the part of a ball that lies in the volume.

    Parameters
    ----------
    probability : numpy.ndarray, shape (z, y, x), floating
        Planes of the volume, among them all that the ball reaches.
    centre_zyx : numpy.ndarray, shape (3,), float64
        Centre (z, y, x) in voxels of the volume.
    radius : float
        Radius in voxels; the nearest voxel counts even where the ball is smaller.
    z_first : int
        Plane of the volume where the array begins.
    planes : int
        Number of planes of the volume.
    """
    shape = (planes, *probability.shape[1:])
    low = np.maximum(np.floor(centre_zyx - radius), 0).astype(int)
    high = np.minimum(np.ceil(centre_zyx + radius) + 1, shape).astype(int)
    held = np.array([z_first, 0, 0])
    region = probability[_slices(low - held, high - held)]
    distance = squared_distance(region.shape, centre_zyx - low)
    inside = distance <= max(radius**2, distance.min())
    return float(region[inside].mean(dtype=np.float64))
