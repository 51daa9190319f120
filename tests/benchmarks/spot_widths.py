"""What the width of spots that movie traces finds does to amplitudes, as docs/calcium.md says.

Usage: python tests/benchmarks/spot_widths.py [--seeds 1,2,3]

Movies whose indicator spots have five widths, along true tracks of 300 frames and of 12. The slope
of the heights on the true dF/F0 is compared with that of heights at the true width, which counts
that a pixel is as wide as its side.
"""

import argparse
from dataclasses import replace
from itertools import product

import numpy as np

from copick_picker.core.movie.scene import SCENES, CalciumScene
from copick_picker.core.movie.simulation import SimulatedMovie, simulate_movie
from copick_picker.core.movie.traces import measured_signals, whole_tracks
from copick_picker.core.movie.widths import best_width

SIGMAS = (1.0, 1.2, 1.7, 2.4, 3.3)
KINDS = {300: (0.3, 0.3), 12: (1.5, 0.0)}
"""Frames -> events a second, and waves."""


def movie_of(sigma: float, frames: int, seed: int) -> SimulatedMovie:
    """Return a movie whose indicator spots have a standard deviation in pixels."""
    base = SCENES["hybrid-test"]
    rate, waves = KINDS[frames]
    calcium = replace(
        base.calcium or CalciumScene(),
        spot_sigma_nm=sigma * base.pixel_size_nm,
        rate_hz=rate,
        active_share=0.7,
        waves=waves,
        sparks=2.0,
    )
    scene = replace(
        base,
        shape_yx=(96, 128),
        frames=frames,
        tracks=12.0,
        lifetime_frames=1e6,
        born_later=0.0,
        calcium=calcium,
    )
    return simulate_movie(scene, seed=seed)


def slope_of(made: SimulatedMovie, width: float) -> float:
    """Return the slope of heights on the true dF/F0, each less its mean along a track."""
    assert made.calcium is not None
    found = measured_signals(made.calcium.frames, whole_tracks(made.truth), width=width)
    assert found.spots.tracks is not None
    traces = made.calcium.traces
    known = {
        (int(track), int(frame)): value
        for track, frame, value in zip(traces.tracks, traces.frames, traces.dff, strict=True)
    }
    across = along = 0.0
    for track in np.unique(found.spots.tracks):
        rows = np.flatnonzero(found.spots.tracks == track)
        keys = [(int(track), int(found.spots.frames[row])) for row in rows]
        seen = np.array([key in known for key in keys])
        true = np.array([known[key] for key in keys if key in known])
        away = true - true.mean()
        across += float(away @ found.heights[rows[seen]])
        along += float(away @ away)
    return across / along


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=lambda text: [int(each) for each in text.split(",")])
    seeds = parser.parse_args().seeds or [1, 2, 3]
    for frames, sigma in product(KINDS, SIGMAS):
        words = []
        for seed in seeds:
            made = movie_of(sigma, frames, seed)
            assert made.calcium is not None
            width = best_width(made.calcium.frames, whole_tracks(made.truth))
            true = slope_of(made, float(np.hypot(sigma, 1.0 / np.sqrt(12.0))))
            ratio = slope_of(made, width.pixels) / true
            word = "" if width.is_fitted else " not fitted"
            words.append(f"{width.pixels:.2f}{word}: {ratio:.2f}")
        print(f"{frames} frames, {sigma} px: {'; '.join(words)}")


if __name__ == "__main__":
    main()
