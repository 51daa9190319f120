"""The planes of weighted logits that are not finished yet."""

from collections.abc import Iterator

import torch

from copick_picker.core.segment.grid import Span

_PIECE_PLANES = 16


class Accumulator:
    """A ring of planes: windows are added at the front, finished planes taken from the back.

    Parameters
    ----------
    shape_czyx : tuple of int
        Channels, planes held, rows and columns.
    device : torch.device
        Where it lies.
    """

    def __init__(self, shape_czyx: tuple[int, int, int, int], *, device: torch.device) -> None:
        self._ring = torch.zeros(shape_czyx, device=device)
        self._finished = 0

    def add(self, logits: torch.Tensor, spans_zyx: tuple[Span, Span, Span]) -> None:
        """Add the logits of a window, times its weights.

        Parameters
        ----------
        logits : torch.Tensor, shape (c, z, y, x), float32
            In the volume's orientation, on the accumulator's device.
        spans_zyx : tuple of Span
            Extent and weights of the window.
        """
        for axis, span in enumerate(spans_zyx, start=1):
            logits = logits.narrow(axis, span.inner_start - span.start, len(span.weights))
        z, y, x = (torch.from_numpy(span.weights).to(self._ring.device) for span in spans_zyx)
        plane = y[:, None] * x
        held = self._ring.shape[1]
        rows = slice(spans_zyx[1].inner_start, spans_zyx[1].inner_stop)
        columns = slice(spans_zyx[2].inner_start, spans_zyx[2].inner_stop)
        first, done = spans_zyx[0].inner_start, 0
        while done < len(z):
            place = (first + done) % held
            count = min(len(z) - done, held - place)
            weights = z[done : done + count, None, None] * plane
            self._ring[:, place : place + count, rows, columns].addcmul_(
                logits[:, done : done + count], weights
            )
            done += count

    def finish(self, z_stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Hand out the planes up to z_stop in small pieces and clear their place.

        Parameters
        ----------
        z_stop : int
            One past the last plane that no window will change any more.

        Yields
        ------
        tuple
            First plane and sums (c, k, y, x).
        """
        held = self._ring.shape[1]
        while self._finished < z_stop:
            place = self._finished % held
            count = min(z_stop - self._finished, held - place, _PIECE_PLANES)
            part = self._ring[:, place : place + count]
            piece = part.clone()
            part.zero_()
            z_start = self._finished
            self._finished += count
            yield z_start, piece
