"""Finished tiles become layers of whole planes, and leave in order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from copick_picker.core.segment.accumulator import Tile, TilePlan

Results = tuple[torch.Tensor, ...]
Finish = Callable[[torch.Tensor], Results]
"""Sums (c, k, j, x) of a tile -> what is kept of them; the axes before the last stay (k, j)."""


@dataclass
class _Layer:
    buffers: Results
    missing: set[int]


class Layers:
    """Results of tiles, put together to whole planes on the device.

    Parameters
    ----------
    plan : TilePlan
        The tiles.
    finish : callable
        What is kept of the sums of a tile.
    empty : callable
        Tile -> its sums where no window touches it.
    """

    def __init__(
        self, plan: TilePlan, finish: Finish, empty: Callable[[Tile], torch.Tensor]
    ) -> None:
        self._plan = plan
        self._finish = finish
        self._empty = empty
        self._layers: dict[int, _Layer] = {}
        self._handed_out = 0

    def put(self, tile: Tile, sums: torch.Tensor) -> None:
        """Keep what a finished tile gives."""
        results = self._finish(sums)
        planes, rows = self._plan.rows(tile)
        if tile[0] not in self._layers:
            frame = (planes.stop - planes.start, self._plan.shape_zyx[1])
            buffers = tuple(
                result.new_empty((*result.shape[:-3], *frame, result.shape[-1]))
                for result in results
            )
            missing = {*(self._plan.last[tile[0]] >= 0).nonzero()[0].tolist()}
            self._layers[tile[0]] = _Layer(buffers, missing)
        layer = self._layers[tile[0]]
        for buffer, result in zip(layer.buffers, results, strict=True):
            buffer[..., rows, :] = result
        layer.missing.discard(tile[1])

    def finished(self) -> Iterator[tuple[int, Results]]:
        """Yield first plane and results of the layers that are whole, in order, each once."""
        while self._handed_out < len(self._plan.last):
            number = self._handed_out
            if not self._is_whole(number):
                return
            for row in (self._plan.last[number] < 0).nonzero()[0].tolist():
                self.put((number, row), self._empty((number, row)))
            self._handed_out += 1
            yield self._plan.rows((number, 0))[0].start, self._layers.pop(number).buffers

    def _is_whole(self, number: int) -> bool:
        if number in self._layers:
            return not self._layers[number].missing
        return bool((self._plan.last[number] < 0).all())
