"""Tracks in figures: lengths, fragments of each true track, motion, and a verdict in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from copick_picker.core.evaluate.track_sets import TrackMatch
from copick_picker.records.movies import NO_TRACK, FloatArray, IndexArray, Spots

SHORT, MEDIUM = 3, 10
"""Most detections of a short and of a medium track."""
MANY_FRAGMENTS, SOME_FRAGMENTS = 3.0, 1.3
LONG_SHARE = 0.95


@dataclass(frozen=True)
class TrackSummary:
    """A track in figures.

    Attributes
    ----------
    track_id : int
        Its number.
    length : int
        Its detections; positions interpolated in gaps do not count.
    start_frame, end_frame : int
        First and last frame.
    mean_x, mean_y : float
        Mean position of the detections in pixels.
    step_px : float or None
        Root mean square of the step between frames; None for one detection.
    scatter_px : float or None
        Standard deviation about the mean position along an axis; of a punctum that rests it is the
        error of its positions. None for one detection.
    """

    track_id: int
    length: int
    start_frame: int
    end_frame: int
    mean_x: float
    mean_y: float
    step_px: float | None
    scatter_px: float | None

    @property
    def duration(self) -> int:
        """Frames from the first to the last."""
        return self.end_frame - self.start_frame + 1


def members_of(tracks: Spots) -> list[tuple[int, IndexArray]]:
    """Return the detections of each track in order of frames; interpolated ones are left out.

    Parameters
    ----------
    tracks : Spots
        Tracks.

    Returns
    -------
    list of (int, numpy.ndarray)
        Number of the track, and rows of ``tracks``.
    """
    if tracks.tracks is None:
        return []
    keep = tracks.tracks != NO_TRACK
    if tracks.filled is not None:
        keep = keep & ~tracks.filled
    rows = np.flatnonzero(keep)
    order = rows[np.lexsort((tracks.frames[rows], tracks.tracks[rows]))]
    borders = np.flatnonzero(np.diff(tracks.tracks[order])) + 1
    return [(int(tracks.tracks[part[0]]), part) for part in np.split(order, borders) if len(part)]


def summaries(tracks: Spots) -> list[TrackSummary]:
    """Return each track in figures, in the order of their numbers.

    Parameters
    ----------
    tracks : Spots
        Tracks.
    """
    found = []
    for number, rows in members_of(tracks):
        frames, places = tracks.frames[rows], tracks.positions[rows]
        mean = places.mean(axis=0)
        step, scatter = None, None
        if len(rows) > 1:
            scatter = float(np.sqrt(((places - mean) ** 2).sum() / (2.0 * (len(rows) - 1))))
            squares = (np.diff(places, axis=0) ** 2).sum(axis=1) / np.diff(frames)
            step = float(np.sqrt(squares.mean()))
        found.append(
            TrackSummary(
                number,
                len(rows),
                int(frames[0]),
                int(frames[-1]),
                float(mean[0]),
                float(mean[1]),
                step,
                scatter,
            )
        )
    return found


def lengths_of(tracks: Spots) -> FloatArray:
    """Return the number of detections of each track.

    Parameters
    ----------
    tracks : Spots
        Tracks.
    """
    return np.array([len(rows) for _, rows in members_of(tracks)], dtype=np.float64)


def length_classes(lengths: FloatArray) -> dict[str, float]:
    """Return the shares of short, medium and long tracks.

    Parameters
    ----------
    lengths : numpy.ndarray, shape (n,)
        Detections of each.
    """
    n = max(len(lengths), 1)
    short = float((lengths <= SHORT).sum()) / n
    long = float((lengths > MEDIUM).sum()) / n
    return {"short": short, "medium": 1.0 - short - long if len(lengths) else 0.0, "long": long}


def length_figures(lengths: FloatArray) -> dict[str, Any]:
    """Return number, mean, median and classes of lengths.

    Parameters
    ----------
    lengths : numpy.ndarray, shape (n,)
        Detections of each track.
    """
    some = len(lengths) > 0
    return {
        "tracks": len(lengths),
        "mean_length": float(lengths.mean()) if some else None,
        "median_length": float(np.median(lengths)) if some else None,
        "longest": int(lengths.max()) if some else None,
        **length_classes(lengths),
    }


def fragments_of(match: TrackMatch) -> list[dict[str, Any]]:
    """Return for each true track how many found tracks share it.

    Parameters
    ----------
    match : TrackMatch
        True and found tracks.

    Returns
    -------
    list of dict
        ``track_id``, ``length``, ``found`` (its positions in any track), ``fragments``, and
        ``longest`` (positions in the found track that holds most of it).
    """
    rows = []
    for number, members in match.reference.members().items():
        found = match.found_tracks(members)
        _, counts = np.unique(found[found > 0], return_counts=True)
        rows.append(
            {
                "track_id": number,
                "length": len(members),
                "found": int((found > 0).sum()),
                "fragments": len(counts),
                "longest": int(counts.max()) if len(counts) else 0,
            }
        )
    return rows


def verdict(
    found: dict[str, Any], truth: dict[str, Any], fragments: float | None, merges: int
) -> str:
    """Return what the figures mean, in words.

    Parameters
    ----------
    found, truth : dict
        As :func:`length_figures` returns them.
    fragments : float or None
        Mean number of found tracks for each true one.
    merges : int
        Found tracks that join two true ones.
    """
    if not found["tracks"]:
        return "No tracks: check the detections first."
    if fragments is None or not truth["tracks"]:
        return "There are no true tracks to compare with."
    share = found["mean_length"] / truth["mean_length"]
    parts = []
    if fragments >= MANY_FRAGMENTS:
        why = (
            "most pieces are short, so links are missing: lower --threshold or fill gaps"
            if found["short"] > 0.2
            else "gaps stay open: fill gaps, or raise --max-gap"
        )
        parts.append(f"High fragmentation: {fragments:.1f} pieces per true track; {why}.")
    elif fragments >= SOME_FRAGMENTS:
        parts.append(
            f"Some fragmentation: {fragments:.2f} pieces per true track; raise --max-gap if "
            "puncta blink."
        )
    else:
        parts.append(f"Tracks are complete: {fragments:.2f} pieces per true track.")
    if merges:
        parts.append(f"{merges} track{'s join' if merges > 1 else ' joins'} two puncta.")
    if share < LONG_SHARE:
        parts.append(f"The mean length is {100 * share:.0f} % of the truth.")
    return " ".join(parts)
