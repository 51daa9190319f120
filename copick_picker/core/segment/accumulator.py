"""Sums of weighted logits that are not finished yet, in tiles that come and go.

The volume is cut into tiles: a few planes high, some rows long, and as wide as the volume. A tile
is made when the first window reaches into it and leaves when the last one has: so only what lies
under windows still to come is held, neither the whole depth nor, between two levels of windows,
their whole height.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from copick_picker.core.segment.grid import Span

Shape = tuple[int, int, int]
Spans = tuple[Span, Span, Span]
Tile = tuple[int, int]
"""Number of a tile along z and along y."""
IntArray = npt.NDArray[np.int64]

SUMS = {"float32": torch.float32, "float16": torch.float16}
"""Names of the types that sums can have."""
_TILES_OF_WINDOW_ZY = (12, 3)
"""Tiles that a window is cut into at least, where it has so many voxels."""


@dataclass(frozen=True, eq=False)
class TilePlan:
    """Which tiles there are, and when each is needed.

    Attributes
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    tile_zy : tuple of int
        Planes and rows of a tile; the last ones may be smaller.
    first, last : numpy.ndarray, shape (tiles along z, tiles along y), int64
        Number of the first and of the last window over each tile; -1 where there is none.
    """

    shape_zyx: Shape
    tile_zy: tuple[int, int]
    first: IntArray
    last: IntArray

    def rows(self, tile: Tile) -> tuple[slice, slice]:
        """Return the planes and the rows of a tile."""
        z, y = (
            slice(number * side, min((number + 1) * side, size))
            for number, side, size in zip(tile, self.tile_zy, self.shape_zyx[:2], strict=True)
        )
        return z, y

    def under(self, spans_zyx: Spans) -> Iterator[Tile]:
        """Yield the tiles under a window."""
        z, y = (_tiles(span, side) for span, side in zip(spans_zyx[:2], self.tile_zy, strict=True))
        for number_z in range(z.start, z.stop):
            for number_y in range(y.start, y.stop):
                yield number_z, number_y

    def most_tiles(self) -> int:
        """Return how many tiles are held at once, at the worst moment."""
        used = self.first >= 0
        change = np.zeros(int(self.last.max(initial=-1)) + 2, dtype=np.int64)
        np.add.at(change, self.first[used], 1)
        np.add.at(change, self.last[used] + 1, -1)
        return int(change.cumsum().max())

    def held_shape(self) -> tuple[int, int, int, int]:
        """Return number, planes, rows and columns of the tiles that memory is taken for."""
        return self.most_tiles(), *self.tile_zy, self.shape_zyx[2]


def tile_plan(shape_zyx: Shape, windows: Sequence[Spans]) -> TilePlan:
    """Return which tiles a volume has, and when each is needed.

    Parameters
    ----------
    shape_zyx : tuple of int
        Shape of the volume.
    windows : sequence of tuple of Span
        Every window, in the order in which they will be added.

    Examples
    --------
    >>> weights = np.ones(6, np.float32)
    >>> windows = [(Span(0, 6, weights),) * 3, (Span(6, 12, weights),) * 3]
    >>> plan = tile_plan((12, 12, 12), windows)
    >>> plan.last[:, 0].tolist()
    [0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1]
    >>> plan.held_shape()
    (18, 1, 2, 12)
    """
    least = [min((len(spans[axis].weights) for spans in windows), default=1) for axis in (0, 1)]
    tile_z, tile_y = (
        max(size // count, 1) for size, count in zip(least, _TILES_OF_WINDOW_ZY, strict=True)
    )
    counts = -(-shape_zyx[0] // tile_z), -(-shape_zyx[1] // tile_y)
    first, last = np.full(counts, -1, np.int64), np.full(counts, -1, np.int64)
    for number, spans in enumerate(windows):
        place = _tiles(spans[0], tile_z), _tiles(spans[1], tile_y)
        new = first[place]
        new[new < 0] = number
        last[place] = number
    return TilePlan(shape_zyx, (tile_z, tile_y), first, last)


class Accumulator:
    """Weighted sums of what a head averages, tile by tile.

    Parameters
    ----------
    plan : TilePlan
        The tiles.
    n_channels : int
        Channels of the sums.
    dtype : torch.dtype
        ``float32``, or ``float16`` for half the memory.
    device : torch.device
        Where the sums lie. All memory is taken at once.
    compact : callable
        What ``float16`` holds of a window: the head's :meth:`Readout.compact`, which changes no
        result and keeps digits.
    """

    def __init__(
        self,
        plan: TilePlan,
        n_channels: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
        compact: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        count, *tile = plan.held_shape()
        self._plan = plan
        self._compact = compact
        self._memory = torch.empty((count, n_channels, *tile), dtype=dtype, device=device)
        self._free = list(range(count))
        self._used: dict[Tile, int] = {}
        self._added = 0

    def add(
        self, logits: torch.Tensor, spans_zyx: Spans, *, scale: float
    ) -> Iterator[tuple[Tile, torch.Tensor]]:
        """Add the next window of the plan; yield the tiles that no later one will change.

        Parameters
        ----------
        logits : torch.Tensor, shape (c, z, y, x), float32
            In the volume's orientation, on the accumulator's device.
        spans_zyx : tuple of Span
            Extent and weights of the window.
        scale : float
            Factor of the weights.

        Yields
        ------
        tuple
            Number of a tile and its sums (c, k, j, x), float32.
        """
        for axis, span in enumerate(spans_zyx, start=1):
            logits = logits.narrow(axis, span.inner_start - span.start, len(span.weights))
        if self._memory.dtype != torch.float32:
            logits = self._compact(logits)
        z, y, x = (torch.from_numpy(span.weights).to(logits.device) for span in spans_zyx)
        plane = y[:, None] * (x * scale)
        for tile in self._plan.under(spans_zyx):
            sums = self._sums(tile)
            self._add_to(sums, self._plan.rows(tile), logits, spans_zyx, (z, plane))
            if self._plan.last[tile] == self._added:
                yield tile, sums.float()
                self._free.append(self._used.pop(tile))
        self._added += 1

    def empty(self, tile: Tile) -> torch.Tensor:
        """Return the sums (c, k, j, x) of a tile under no window: zeros."""
        planes, rows = self._plan.rows(tile)
        frame = (planes.stop - planes.start, rows.stop - rows.start, self._memory.shape[-1])
        return torch.zeros((self._memory.shape[1], *frame), device=self._memory.device)

    def _sums(self, tile: Tile) -> torch.Tensor:
        """Return the place of a tile's sums (c, k, j, x); zeros where it is new."""
        planes, rows = self._plan.rows(tile)
        is_new = tile not in self._used
        if is_new:
            self._used[tile] = self._free.pop()
        place = self._memory[self._used[tile]]
        sums = place[:, : planes.stop - planes.start, : rows.stop - rows.start]
        return sums.zero_() if is_new else sums

    def _add_to(
        self,
        sums: torch.Tensor,
        place_zy: tuple[slice, slice],
        logits: torch.Tensor,
        spans_zyx: Spans,
        weights: tuple[torch.Tensor, torch.Tensor],
    ) -> None:
        inner, own = zip(
            *(_common(place, span) for place, span in zip(place_zy, spans_zyx[:2], strict=True)),
            strict=True,
        )
        columns = slice(spans_zyx[2].inner_start, spans_zyx[2].inner_stop)
        target = sums[:, own[0], own[1], columns]
        product = weights[0][inner[0], None, None] * weights[1][inner[1]]
        if sums.dtype == torch.float32:
            target.addcmul_(logits[:, inner[0], inner[1]], product)
        else:
            target.add_(logits[:, inner[0], inner[1]] * product)


def _tiles(span: Span, side: int) -> slice:
    """Return the numbers of the tiles under a span."""
    return slice(span.inner_start // side, -(-span.inner_stop // side))


def _common(place: slice, span: Span) -> tuple[slice, slice]:
    """Return what a tile and a span share: as voxels of the span, and of the tile."""
    start, stop = max(place.start, span.inner_start), min(place.stop, span.inner_stop)
    return (
        slice(start - span.inner_start, stop - span.inner_start),
        slice(start - place.start, stop - place.start),
    )
