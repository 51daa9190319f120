"""``movie analyze``: the photons of puncta beside the calcium at them."""

from collections.abc import Mapping

import numpy as np

from copick_picker.core.movie.co_occurrence import (
    TrackCorrelation,
    binned_means,
    correlations,
    significant,
)
from copick_picker.core.movie.motion import share_with_interval
from copick_picker.records.movies import Spots
from copick_picker.report.analysis_pictures import correlation_map_picture
from copick_picker.settings.movie import MovieAnalyzeSettings
from copick_picker.workflows.movie.analysis_parts import Findings, rows_csv, share_words
from copick_picker.workflows.movie.calcium_inputs import Calcium
from copick_picker.workflows.movie.places import CORRELATION

CORRELATION_FILES = (CORRELATION, "correlation_map.png", "correlation_map.svg")
FALSE_DISCOVERY_RATE = 0.05


def correlation_findings(
    settings: MovieAnalyzeSettings, calcium: Mapping[str, Calcium]
) -> Findings:
    """Return how photons and calcium go together, or why that is left out.

    Parameters
    ----------
    settings : MovieAnalyzeSettings
        Settings of the command.
    calcium : mapping of str to Calcium
        That of each movie.
    """
    left_out = "photons are not compared with calcium"
    traced = {name: each for name, each in calcium.items() if each.traces is not None}
    usable = {name: each for name, each in traced.items() if each.tracks.photons is not None}
    if not traced:
        return Findings(notes=[f"no traces (--traces), so {left_out}"])
    if not usable:
        return Findings(notes=[f"the tracks have no photons, so {left_out}"])
    rows = [
        (name, found)
        for name, each in usable.items()
        if each.traces is not None
        for found in correlations(each.tracks, each.traces, min_length=settings.min_length)
    ]
    if not rows:
        words = f"no track has {settings.min_length} frames with photons and calcium that vary, "
        return Findings(notes=[f"{words}so {left_out}"])
    found = _compared(settings, rows, [each.tracks for each in calcium.values()])
    if len(usable) < len(calcium):
        words = f"{len(calcium) - len(usable)} of {len(calcium)} movies"
        found.notes.append(f"{words} have no traces or no photons: in them {left_out}")
    return found


def _compared(
    settings: MovieAnalyzeSettings,
    rows: list[tuple[str, TrackCorrelation]],
    tracks: list[Spots],
) -> Findings:
    """Return table, map and figures of the correlations of tracks."""
    values = np.array([each.correlation for _, each in rows])
    p_values = np.array([each.p for _, each in rows])
    passes = significant(p_values, level=FALSE_DISCOVERY_RATE)
    lines = [
        (name, e.track_id, e.frames, e.mean_x, e.mean_y, e.correlation, e.p, int(passed))
        for (name, e), passed in zip(rows, passes, strict=True)
    ]
    size = np.concatenate([each.positions for each in tracks]).max(axis=0) + 0.5
    width = max(float(size.max()) / settings.map_bins, 1.0)
    shape = int(np.ceil(size[1] / width)) or 1, int(np.ceil(size[0] / width)) or 1
    positions = np.array([[each.mean_x, each.mean_y] for _, each in rows])
    means, numbers = binned_means(positions, values, width=width, shape_yx=shape)
    files: dict[str, str | bytes] = {CORRELATION: rows_csv(CORRELATION, lines)}
    files |= correlation_map_picture(
        means,
        numbers,
        values,
        passes,
        width=width,
        size_xy=(float(size[0]), float(size[1])),
        pixel_size_nm=settings.pixel_size_nm,
    )
    share = share_with_interval(int(passes.sum()), len(passes))
    figures = {
        "tracks": len(rows),
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "significant": int(passes.sum()),
        "significant_share": share,
        "false_discovery_rate": FALSE_DISCOVERY_RATE,
    }
    words = f"photons and calcium of {len(rows)} tracks: median correlation {figures['median']:.2f}"
    words += f"; significant: {figures['significant']} ({share_words(share)})"
    return Findings(files, {"correlation": figures}, [words])
