"""Settings of the commands on calcium in movies: traces, import-labels."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from copick_picker.settings.job import Count, Threads
from copick_picker.settings.movie import (
    MovieOutput,
    MovieScale,
    MovieSecond,
    NotNegative,
    Positive,
    Probability,
    split_names,
)
from copick_picker.settings.options import Option


class MovieTraceRules(MovieSecond, MovieScale):
    """How traces are measured and events found.

    Attributes
    ----------
    spot_sigma : float or None
        Standard deviation of a lit spot in pixels.
    baseline_window : int
        Frames of the running baseline.
    percentile : float
        Of the running baseline.
    f0 : str
        ``total`` or ``spot``.
    keep_bleaching : bool
        Whether bleaching stays in.
    min_snr : float
        Least signal over noise of an event.
    min_event_probability : float
        Events below it are left out.
    min_trace : int
        Detections from which on a track is measured.
    """

    spot_sigma: Annotated[
        Positive | None,
        Option("Standard deviation of a spot, in pixels. Default: fitted."),
    ] = None
    baseline_window: Annotated[
        Annotated[int, Field(ge=3)], Option("Length of the running baseline, in frames.")
    ] = 500
    percentile: Annotated[
        Annotated[float, Field(gt=0, lt=100)], Option("Percentile of the running baseline.")
    ] = 20.0
    f0: Annotated[
        Literal["total", "spot"],
        Option(
            "F0 of dF/F0: all light at the resting spot, or only its height above the surround."
        ),
    ] = "total"
    keep_bleaching: Annotated[
        bool, Option("Do not correct bleaching by an exponential fitted to the surrounds.")
    ] = False
    min_snr: Annotated[Positive, Option("Minimum height of an event in standard errors.")] = 4.6
    min_event_probability: Annotated[
        Probability, Option("Leave out events with lower probability.")
    ] = 0.0
    min_trace: Annotated[Count, Option("Minimum detections for a track to be measured.")] = 5


class MovieTracesSettings(MovieTraceRules, MovieOutput):
    """Settings of ``movie traces``.

    Attributes
    ----------
    movie : pathlib.Path
        Movie, or table of traces.
    tracks : pathlib.Path or None
        Table of tracks.
    channel : int or None
        Channel that is measured.
    baseline : float or None
        Grey value without light.
    model : pathlib.Path or None
        Folder of a hybrid.
    events : str or None
        ``matched`` or ``learned``.
    device : str
        Where the network runs.
    threads : int or None
        CPU threads.
    """

    movie: Annotated[
        Path,
        Option(
            "Movie, or CSV of traces (track_id, frame, and dff or signal).",
            metavar="MOVIE",
            argument=True,
        ),
    ]
    tracks: Annotated[
        Path | None, Option("Table of tracks, or folder of results.", metavar="PATH")
    ] = None
    channel: Annotated[
        Annotated[int, Field(ge=0)] | None,
        Option("Channel to measure, from 0. Default: the last."),
    ] = None
    baseline: Annotated[
        NotNegative | None,
        Option(
            "Grey value without light. Default: from a simulated movie's metadata, else estimated."
        ),
    ] = None
    model: Annotated[
        Path | None, Option("Folder of a hybrid, for learned events.", "-m", metavar="FOLDER")
    ] = None
    events: Annotated[
        Literal["matched", "learned"] | None,
        Option("Matched filters, or the states of -m. Default: learned with -m."),
    ] = None
    device: Annotated[str, Option("auto, cpu, cuda or mps.")] = "auto"
    threads: Threads = None


class MovieImportLabelsSettings(MovieScale, MovieOutput):
    """Settings of ``movie import-labels``.

    Attributes
    ----------
    labels : pathlib.Path
        Mask or table of events, or folder with one for each movie.
    movie : pathlib.Path
        Movie, or folder of movies.
    puncta : pathlib.Path
        Table of tracks or detections, or folder of results.
    distance : float
        Most pixels between a label and its punctum.
    wave_area : float
        Pixels from which on a labelled body is a wave.
    leave_out : tuple of str
        Kinds that are left out.
    """

    labels: Annotated[
        Path,
        Option(
            "Binary mask (TIFF) or table of events (CSV), or folder with one per movie.",
            metavar="LABELS",
            argument=True,
        ),
    ]
    movie: Annotated[Path, Option("Movie, or folder of movies.", metavar="PATH")]
    puncta: Annotated[
        Path,
        Option("Table of tracks or detections, or folder of results.", metavar="PATH"),
    ]
    distance: Annotated[
        Positive, Option("Maximum distance between a label and its punctum, in pixels.")
    ] = 3.0
    wave_area: Annotated[Positive, Option("Minimum area of a wave in a frame, in pixels.")] = 400.0
    leave_out: Annotated[
        tuple[Literal["waves", "sparks", "puffs"], ...],
        BeforeValidator(split_names),
        Option("Kinds of labels to leave out: waves, sparks, puffs.", metavar="KIND,..."),
    ] = ()
    ignore_waves: Annotated[
        bool, Option("Same as --leave-out waves.", aliases="--ignore_waves")
    ] = False
