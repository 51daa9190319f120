"""Pictures of calcium: traces with their events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.figure import Figure

from copick_picker._version import __version__
from copick_picker.report.figures import (
    CHART_STYLE,
    PALETTE,
    add_footer,
    png_bytes,
    tick_whole_numbers,
)

_BLUE, _RED = PALETTE[:2]
_ABOUT = {"Software": f"copick-picker {__version__}"}


@dataclass(frozen=True, eq=False)
class Panel:
    """A trace to draw.

    Attributes
    ----------
    title : str
        Beside the panel.
    frames : numpy.ndarray, shape (t,), int64
        Frames.
    dff, fitted : numpy.ndarray, shape (t,), float64
        dF/F0, and that of the transients that were fitted; NaN: none were.
    onsets : numpy.ndarray, shape (n,), float64
        Of events, in frames.
    peaks : numpy.ndarray, shape (n,), int64
        Frames of their peaks.
    """

    title: str
    frames: npt.NDArray[np.int64]
    dff: npt.NDArray[np.float64]
    fitted: npt.NDArray[np.float64]
    onsets: npt.NDArray[np.float64]
    peaks: npt.NDArray[np.int64]


def traces_picture(panels: Sequence[Panel], *, frame_time_ms: float | None) -> bytes:
    """Return traces one below the other, with onsets and peaks of their events.

    Parameters
    ----------
    panels : sequence of Panel
        Traces to draw.
    frame_time_ms : float or None
        Time is given in s where it is known, else in frames.
    """
    scale, unit = (1.0, "frame") if frame_time_ms is None else (frame_time_ms / 1000.0, "time (s)")
    with rc_context(CHART_STYLE):
        figure = Figure(figsize=(9.0, 1.2 + 0.9 * max(len(panels), 1)))
        rows = figure.subplots(max(len(panels), 1), 1, sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(rows, panels, strict=False):
            axes.plot(panel.frames * scale, panel.dff, color=_BLUE, linewidth=0.8, alpha=0.6)
            axes.plot(panel.frames * scale, panel.fitted, color="black", linewidth=0.9)
            for onset in panel.onsets:
                axes.axvline(onset * scale, color=_RED, linewidth=0.8, alpha=0.6)
            heights = [
                float(panel.dff[np.searchsorted(panel.frames, peak)]) for peak in panel.peaks
            ]
            axes.plot(panel.peaks * scale, heights, "v", color=_RED, markersize=4)
            axes.set_ylabel(panel.title, rotation=0, ha="right", va="center", fontsize=8)
            axes.tick_params(labelsize=7)
        rows[-1].set_xlabel(unit)
        if frame_time_ms is None:
            tick_whole_numbers(rows[-1].xaxis)
        rows[0].set_title("dF/F0 along tracks", fontsize=11, loc="left")
        figure.tight_layout(rect=(0.01, 0.04, 1.0, 1.0))
        is_fitted = any(np.isfinite(panel.fitted).any() for panel in panels)
        fitted = " Black: fitted transients." if is_fitted else ""
        words = "Lines: onsets of events. Triangles: their peaks. Each track has its own scale."
        add_footer(figure, words + fitted)
        return png_bytes(figure, _ABOUT)
