"""Pictures of calcium: traces with their events."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.figure import Figure

from copick_picker._version import __version__
from copick_picker.report.figures import CHART_STYLE, PALETTE, add_footer, png_bytes

_BLUE, _RED = PALETTE[:2]
_ABOUT = {"Software": f"copick-picker {__version__}"}
Panel = tuple[
    str,
    npt.NDArray[np.int64],
    npt.NDArray[np.float64],
    npt.NDArray[np.float64],
    npt.NDArray[np.int64],
]
"""Title, frames and dF/F0 of a trace, onsets and peaks of its events in frames."""


def traces_picture(panels: Sequence[Panel], *, frame_time_ms: float | None) -> bytes:
    """Return traces one below the other, with onsets and peaks of their events.

    Parameters
    ----------
    panels : sequence of tuple
        Traces to draw.
    frame_time_ms : float or None
        Time is given in s where it is known, else in frames.
    """
    scale, unit = (1.0, "frame") if frame_time_ms is None else (frame_time_ms / 1000.0, "time (s)")
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(9.0, 1.2 + 0.9 * max(len(panels), 1)))
        rows = figure.subplots(max(len(panels), 1), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (title, frames, dff, onsets, peaks) in zip(rows, panels, strict=False):
            axes.plot(frames * scale, dff, color=_BLUE, linewidth=0.8)
            for onset in onsets:
                axes.axvline(onset * scale, color=_RED, linewidth=0.8, alpha=0.6)
            heights = [float(dff[np.searchsorted(frames, peak)]) for peak in peaks]
            axes.plot(peaks * scale, heights, "v", color=_RED, markersize=4)
            axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8)
            axes.tick_params(labelsize=7)
        rows[-1].set_xlabel(unit)
        rows[0].set_title("dF/F0 along tracks", fontsize=11, loc="left")
        figure.tight_layout(rect=(0.01, 0.04, 1.0, 1.0))
        add_footer(figure, "Lines: onsets of events. Triangles: their peaks. Each track has its own scale.")
        return png_bytes(figure, _ABOUT)
