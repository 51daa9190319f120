"""Settings of the commands on movies that need no network: simulate, link, evaluate, analyze."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from copick_picker.settings.job import Count, NumberByName, Settings
from copick_picker.settings.options import Option

Preset = Literal["guide", "medium", "hard", "hybrid-test", "hybrid"]
DEFAULT_TOLERANCE = 2.0
"""Pixels within which a detection is a hit."""


def split_size(value: object) -> object:
    """Return two sides from ``256``, ``256,320`` or ``256 320``, or the value itself.

    Parameters
    ----------
    value : object
        Value from a flag or a YAML file.
    """
    if isinstance(value, int):
        return (value, value)
    if isinstance(value, str):
        parts = value.strip("[]() ").replace(",", " ").replace("x", " ").split()
        return tuple(parts * 2 if len(parts) == 1 else parts)
    return value


def split_names(value: object) -> object:
    """Return names from ``a,b``, or the value itself.

    Parameters
    ----------
    value : object
        Value from a flag or a YAML file.
    """
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Size = Annotated[tuple[Count, Count], BeforeValidator(split_size)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class MovieOutput(Settings):
    """Where a command on movies writes.

    Attributes
    ----------
    output : pathlib.Path
        Folder of the results.
    overwrite : bool
        Replace results that exist.
    json_file : pathlib.Path or None
        File for a machine-readable summary.
    """

    output: Annotated[Path, Option("Folder for the results.", "-o", metavar="FOLDER")]
    overwrite: Annotated[bool, Option("Replace existing results.")] = False
    json_file: Annotated[
        Path | None, Option("Write a machine-readable summary.", metavar="FILE", long="--json")
    ] = None


class MovieScale(Settings):
    """How large a pixel is, and how long a frame.

    Attributes
    ----------
    pixel_size_nm : float or None
        Pixel size in nm. None: as the movie says.
    frame_time_ms : float or None
        Frame time in ms. None: as the movie says.
    """

    pixel_size_nm: Annotated[
        Positive | None,
        Option("Pixel size in nm. Default: from the movie; without one, no results in nm."),
    ] = None
    frame_time_ms: Annotated[
        Positive | None, Option("Frame time in ms. Default: from the movie.")
    ] = None


class MovieSecond(Settings):
    """Where the second channel of a movie is.

    Attributes
    ----------
    second : pathlib.Path or None
        Movie of the second channel, where it is a file of its own.
    """

    second: Annotated[
        Path | None,
        Option("Movie of the second channel, if it is a separate file.", metavar="FILE"),
    ] = None


class MovieSceneSettings(Settings):
    """What simulated movies are like.

    Attributes
    ----------
    preset : str
        Scene that the other settings change.
    size : tuple of int or None
        Pixels along y and x.
    frames, tracks, photons, background : number or None
        Frames, puncta, median photons of a punctum, photons of the background in a pixel.
    psf : str or None
        ``gaussian`` or ``airy``.
    psf_sigma_nm, pixel_size_nm, frame_time_ms : float or None
        Optics and time.
    camera : str or None
        ``emccd`` or ``scmos``.
    baseline, gain, read_noise : float or None
        Its offset, grey values for each photon, and read-out noise in electrons.
    unevenness, vesicles, vesicle_photons : float or None
        What the corners lack of the light; blurred bodies, and photons of each.
    motion : dict
        Shares of the kinds of motion.
    diffusion, speed, confinement : tuple of float or None
        Ranges, in um2/s, um/s and um.
    lifetime, born_later : float or None
        Mean frames until a punctum disappears; share of those that appear later.
    blink, blink_frames : float or None
        Probability of going dark in a frame; mean number of dark frames.
    blur_steps : int or None
        Positions within an exposure.
    active_share, event_rate : float or None
        Second channel: share of the puncta that have transients, and how many in a second.
    event_height, event_rise, event_decay : tuple of float or None
        Ranges of dF/F0 at the peak, and of the time constants in ms.
    calcium_background, sparks, waves : float or None
        Photons at rest; mean number of transients apart from puncta, and of waves.
    bleaching, bleed_through : tuple of float or None
        Time constants in s; shares of each channel's light in the other.
    """

    preset: Annotated[Preset, Option("Scene to start from; other options change it.")] = "guide"
    size: Annotated[
        Size | None,
        Option("Pixels along y and x.", metavar="N|Y,X", aliases="--image_size"),
    ] = None
    frames: Annotated[
        Count | None, Option("Number of frames.", aliases="--num_frames --frames_per_sample")
    ] = None
    tracks: Annotated[
        NotNegative | None, Option("Number of puncta.", aliases="--num_tracks --num_puncta_mean")
    ] = None
    photons: Annotated[Positive | None, Option("Median photons per punctum and frame.")] = None
    background: Annotated[NotNegative | None, Option("Background photons per pixel.")] = None
    psf: Annotated[
        Literal["gaussian", "airy"] | None, Option("Point spread function.", aliases="--psf_type")
    ] = None
    psf_sigma_nm: Annotated[
        Positive | None, Option("Standard deviation of the point spread function, in nm.")
    ] = None
    pixel_size_nm: Annotated[Positive | None, Option("Pixel size in nm.")] = None
    frame_time_ms: Annotated[Positive | None, Option("Frame time in ms.")] = None
    camera: Annotated[Literal["emccd", "scmos"] | None, Option("Camera.")] = None
    baseline: Annotated[NotNegative | None, Option("Grey value without light.")] = None
    gain: Annotated[Positive | None, Option("Grey values per photon.")] = None
    read_noise: Annotated[NotNegative | None, Option("Readout noise in electrons.")] = None
    unevenness: Annotated[
        Annotated[float, Field(ge=0, lt=1)] | None,
        Option("Fraction of light missing in the corners."),
    ] = None
    vesicles: Annotated[
        NotNegative | None, Option("Number of blurred, slowly moving vesicles.")
    ] = None
    vesicle_photons: Annotated[NotNegative | None, Option("Photons per vesicle and frame.")] = None
    motion: Annotated[
        NumberByName,
        Option(
            "Fraction of immobile, brownian, directed or confined puncta; repeat for each.",
            metavar="NAME=SHARE",
        ),
    ] = Field(default_factory=dict)
    diffusion: Annotated[
        tuple[Positive, Positive] | None,
        BeforeValidator(split_size),
        Option("Range of diffusion coefficients in um2/s.", metavar="LOW,HIGH"),
    ] = None
    speed: Annotated[
        tuple[Positive, Positive] | None,
        BeforeValidator(split_size),
        Option("Range of speeds of directed puncta in um/s.", metavar="LOW,HIGH"),
    ] = None
    confinement: Annotated[
        tuple[Positive, Positive] | None,
        BeforeValidator(split_size),
        Option("Range of confinement radii, in um.", metavar="LOW,HIGH"),
    ] = None
    lifetime: Annotated[
        Positive | None, Option("Mean number of frames until a punctum disappears.")
    ] = None
    born_later: Annotated[
        Probability | None, Option("Fraction of puncta that appear during the movie.")
    ] = None
    blink: Annotated[
        Annotated[float, Field(ge=0, lt=1)] | None,
        Option("Probability that a punctum goes dark in a frame."),
    ] = None
    blink_frames: Annotated[
        Annotated[float, Field(ge=1)] | None, Option("Mean number of dark frames.")
    ] = None
    blur_steps: Annotated[
        Count | None, Option("Positions simulated per exposure; 1: no motion blur.")
    ] = None
    active_share: Annotated[
        Probability | None, Option("Second channel: fraction of puncta with transients.")
    ] = None
    event_rate: Annotated[
        NotNegative | None, Option("Second channel: transients per second of an active punctum.")
    ] = None
    event_height: Annotated[
        tuple[Positive, Positive] | None,
        BeforeValidator(split_size),
        Option("Second channel: range of dF/F0 at the peak.", metavar="LOW,HIGH"),
    ] = None
    event_rise: Annotated[
        tuple[Positive, Positive] | None,
        BeforeValidator(split_size),
        Option("Second channel: range of rise constants in ms.", metavar="LOW,HIGH"),
    ] = None
    event_decay: Annotated[
        tuple[Positive, Positive] | None,
        BeforeValidator(split_size),
        Option("Second channel: range of decay constants in ms.", metavar="LOW,HIGH"),
    ] = None
    calcium_background: Annotated[
        Positive | None, Option("Second channel: photons per pixel at rest.")
    ] = None
    sparks: Annotated[
        NotNegative | None, Option("Second channel: mean number of transients away from puncta.")
    ] = None
    waves: Annotated[NotNegative | None, Option("Second channel: mean number of waves.")] = None
    bleaching: Annotated[
        tuple[Positive, Positive] | None,
        BeforeValidator(split_size),
        Option("Bleaching time constants of both channels, in s.", metavar="FIRST,SECOND"),
    ] = None
    bleed_through: Annotated[
        tuple[Probability, Probability] | None,
        BeforeValidator(split_size),
        Option(
            "Fraction of the first channel's light in the second, and vice versa.",
            metavar="SHARE,SHARE",
        ),
    ] = None


class MovieSimulateSettings(MovieSceneSettings, MovieOutput):
    """Settings of ``movie simulate``.

    Attributes
    ----------
    movies : int
        Number of movies.
    seed : int
        Equal seeds give equal movies.
    dry_run : bool
        Say what would be done, write nothing.
    """

    movies: Annotated[Count, Option("Number of movies.", aliases="--num_samples")] = 8
    seed: Annotated[int, Field(ge=0), Option("Seed of the movies.")] = 0
    dry_run: Annotated[bool, Option("Print what would be done, and write nothing.")] = False


class MovieLinking(Settings):
    """How detections are linked.

    Attributes
    ----------
    linker : pathlib.Path or None
        Folder of a trained linker. None: likelihood ratios estimated from the detections.
    fill_gaps : bool
        Join tracks over gaps, and add positions between the ends, marked as filled.
    max_gap : int
        Frames that gaps are filled over.
    max_distance : float
        Pixels that gaps are filled over.
    threshold : float
        Least probability of a link.
    gate : float
        Pixels from a frame to the next.
    direct_gap : int
        Frames of a direct link.
    min_length : int
        Detections of the shortest track.
    solver : str
        ``exact`` or ``threshold``.
    """

    linker: Annotated[
        Path | None,
        Option(
            "Folder of a trained linker. Default: likelihood ratios, estimated from the "
            "detections.",
            "-l",
            metavar="FOLDER",
        ),
    ] = None
    fill_gaps: Annotated[
        bool,
        Option(
            "Join tracks over gaps, and add the positions in between, marked as filled.",
            aliases="--use_gap_filling",
        ),
    ] = False
    max_gap: Annotated[
        Count, Option("Maximum gap for --fill-gaps, in frames.", aliases="--max_gap")
    ] = 40
    max_distance: Annotated[
        Positive,
        Option("Maximum distance for --fill-gaps, in pixels.", aliases="--max_distance"),
    ] = 100.0
    threshold: Annotated[Probability, Option("Minimum probability of a link.")] = 0.5
    gate: Annotated[
        Positive, Option("Maximum step between frames, in pixels; times root g over g frames.")
    ] = 8.0
    direct_gap: Annotated[Count, Option("Maximum frames spanned by a direct link.")] = 3
    min_length: Annotated[Count, Option("Minimum detections in a track.")] = 2
    solver: Annotated[
        Literal["exact", "threshold"],
        Option("Maximise the total score of links, or take links above the threshold, best first."),
    ] = "exact"


class MovieLinkSettings(MovieLinking, MovieScale, MovieOutput):
    """Settings of ``movie link``.

    Attributes
    ----------
    detections : pathlib.Path
        Table of detections, or folder of results.
    min_probability : float
        Detections below it are left out.
    """

    detections: Annotated[
        Path,
        Option("Table of detections, or folder of results.", metavar="DETECTIONS", argument=True),
    ]
    min_probability: Annotated[
        Probability,
        Option("Leave out detections with lower probability.", aliases="--detection_threshold"),
    ] = 0.0


class MovieEvaluateSettings(MovieScale, MovieOutput):
    """Settings of ``movie evaluate``.

    Attributes
    ----------
    detections, tracks : pathlib.Path or None
        Tables, or folders with one for each movie; at least one of them.
    events : pathlib.Path or None
        Table of calcium events; the truth's lies beside that of the puncta.
    truth : pathlib.Path
        Table of the truth, or folder with one for each movie.
    movie : pathlib.Path or None
        Movie whose frames are drawn; of a folder of truth the movies beside it.
    tolerance : float
        Pixels within which a detection is a hit.
    onset_tolerance : float
        Frames within which an onset is a hit.
    """

    detections: Annotated[
        Path | None, Option("Table of detections, or folder of results.", metavar="PATH")
    ] = None
    tracks: Annotated[
        Path | None, Option("Table of tracks, or folder of results.", metavar="PATH")
    ] = None
    events: Annotated[
        Path | None,
        Option("Table of calcium events (movie traces), or folder of results.", metavar="PATH"),
    ] = None
    truth: Annotated[
        Path, Option("Table of the ground truth, or folder of simulated movies.", metavar="PATH")
    ]
    movie: Annotated[
        Path | None, Option("Movie to draw examples on. Default: the one next to the ground truth.")
    ] = None
    tolerance: Annotated[Positive, Option("Maximum distance of a hit, in pixels.")] = (
        DEFAULT_TOLERANCE
    )
    onset_tolerance: Annotated[
        Positive, Option("Maximum difference between onsets of a matched event, in frames.")
    ] = 3.0


class MovieAnalyzeSettings(MovieScale, MovieOutput):
    """Settings of ``movie analyze``.

    Attributes
    ----------
    tracks : pathlib.Path
        Table of tracks, or folder of results.
    truth : pathlib.Path or None
        Table of the truth, or folder of simulated movies.
    tolerance : float
        Pixels within which a position is a hit.
    events : pathlib.Path or None
        Table of calcium events, or folder of results.
    traces : pathlib.Path or None
        Table of calcium traces, or folder of results. None: ``traces.csv`` beside the events.
    min_length : int
        Detections from which on a track counts in figures of motion, and shared frames from which
        on photons are compared with calcium.
    exposure_share : float
        Share of the frame time in which light is collected.
    coincidence_frames : int
        Most frames between two onsets that count as together.
    shuffles : int
        Repetitions of the control.
    map_bins : int
        Bins of the map along the longer side of the field.
    seed : int
        Equal seeds give equal controls.
    """

    tracks: Annotated[Path, Option("Table of tracks, or folder of results.", metavar="PATH")]
    events: Annotated[
        Path | None, Option("Table of calcium events, or folder of results.", metavar="PATH")
    ] = None
    traces: Annotated[
        Path | None,
        Option(
            "Table of calcium traces, or folder of results. Default: traces.csv next to the "
            "events.",
            metavar="PATH",
        ),
    ] = None
    truth: Annotated[
        Path | None,
        Option("Table of the ground truth, or folder of simulated movies.", metavar="PATH"),
    ] = None
    tolerance: Annotated[Positive, Option("Maximum distance of a hit, in pixels.")] = (
        DEFAULT_TOLERANCE
    )
    min_length: Annotated[
        Count, Option("Minimum detections for a track to count in motion statistics.")
    ] = 10
    exposure_share: Annotated[
        Probability,
        Option("Fraction of the frame time with the shutter open; 0: no motion blur."),
    ] = 1.0
    coincidence_frames: Annotated[
        Annotated[int, Field(ge=0)],
        Option("Maximum difference between onsets of coincident events, in frames."),
    ] = 2
    shuffles: Annotated[Count, Option("Number of shuffled controls for coincident events.")] = 1000
    map_bins: Annotated[Count, Option("Bins along the longer side of the correlation map.")] = 10
    seed: Annotated[int, Field(ge=0), Option("Seed of the shuffled controls.")] = 0


class MovieConvertSettings(MovieScale, Settings):
    """Settings of ``movie convert``.

    Attributes
    ----------
    table : pathlib.Path
        Table to read.
    output : pathlib.Path
        File to make.
    form : str
        Form of it.
    movie : pathlib.Path or None
        The movie that the table belongs to.
    psf_sigma : float
        Width of a punctum in pixels, for Picasso.
    overwrite : bool
        Replace the file.
    json_file : pathlib.Path or None
        File for a machine-readable summary.
    """

    table: Annotated[Path, Option("Table to read.", metavar="TABLE", argument=True)]
    output: Annotated[Path, Option("File to write.", "-o", metavar="FILE")]
    form: Annotated[
        Literal["csv", "thunderstorm", "picasso", "trackmate", "napari", "geff"],
        Option("File format.", long="--to"),
    ]
    movie: Annotated[Path | None, Option("The movie, for size and scale.", metavar="FILE")] = None
    psf_sigma: Annotated[Positive, Option("Width of a punctum in pixels, for Picasso.")] = 1.1
    overwrite: Annotated[bool, Option("Replace the file.")] = False
    json_file: Annotated[
        Path | None, Option("Write a machine-readable summary.", metavar="FILE", long="--json")
    ] = None
