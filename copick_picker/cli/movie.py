"""``copick-picker movie``: movies of moving puncta."""

from copick_picker.cli import option_groups
from copick_picker.cli.command import (
    CONTEXT,
    WITHOUT_A_PROJECT,
    Flags,
    command,
    command_group,
)


@command_group
def movie() -> None:
    """Simulate, detect, track and measure moving puncta.

    Positions are in pixels, with the centre of the first pixel at 0, 0; frames count from 0.

    \b
    Examples:
      copick-picker movie simulate --preset guide --movies 8 -o movies
      copick-picker movie train detector --preset guide --max-minutes 10 -o detector
      copick-picker movie run movie.tif -m detector --fill-gaps -o out
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie:MovieSimulateSettings",
    "copick_picker.workflows.movie.simulate:simulate",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Simulate movies with known ground truth.",
    groups=option_groups.MOVIE_SIMULATE,
)
def simulate(flags: Flags) -> None:
    """Simulate TIRF movies of puncta, with ground truth.

    Writes folders sample_000, sample_001, ... with movie.tif, ground_truth_tracks.csv and
    metadata.json. Existing movies are kept; repeat the command to resume.

    \b
    Examples:
      copick-picker movie simulate --preset guide --movies 8 --seed 1 -o movies
      copick-picker movie simulate --preset hard --photons 300 --camera scmos -o dim
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie_models:MovieDetectSettings",
    "copick_picker.workflows.movie.detect:detect",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Detect puncta in movies.",
    groups=option_groups.MOVIE_DETECT,
)
def detect(flags: Flags) -> None:
    """Detect puncta in a movie, or in each movie in a folder.

    Writes detections.csv: frame, x, y, probability, photons, sigma_x, sigma_y. Compares the
    movie with the model's training range.

    \b
    Examples:
      copick-picker movie detect movie.tif -m detector -o out
      copick-picker movie detect movie.tif --method log -o out
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie:MovieLinkSettings",
    "copick_picker.workflows.movie.link:link",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Link detections into tracks.",
    groups=option_groups.MOVIE_LINK,
)
def link(flags: Flags) -> None:
    """Link detections into tracks.

    Reads CSV with frame, x, y; ThunderSTORM CSV, Picasso HDF5, TrackMate XML, GEFF. Writes
    tracks.csv (frame, x, y, probability, photons, track_id, filled) and track_summary.csv.
    Lengths do not count positions added by --fill-gaps.

    \b
    Examples:
      copick-picker movie link out/detections.csv --fill-gaps -o out
      copick-picker movie link out/detections.csv -l linker --fill-gaps --max-gap 20 -o out
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie:MovieEvaluateSettings",
    "copick_picker.workflows.movie.evaluate:evaluate",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Score detections and tracks against the ground truth.",
)
def evaluate(flags: Flags) -> None:
    """Score detections, tracks or both against the ground truth, for one movie or a folder.

    \b
    Examples:
      copick-picker movie evaluate --detections out/detections.csv --tracks out/tracks.csv --truth ground_truth_tracks.csv -o scores
      copick-picker movie evaluate --detections out --tracks out --truth movies -o scores
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)


@command(
    "copick_picker.settings.movie:MovieAnalyzeSettings",
    "copick_picker.workflows.movie.analyze:analyze",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Analyze tracks, motion and events.",
)
def analyze(flags: Flags) -> None:
    """Analyze track lengths, motion, and agreement with ground truth or calcium.

    For each track of at least --min-length detections: the diffusion coefficient with a 95 %
    interval, the localization error, and whether motion is immobile, Brownian, directed or
    confined. With --events: rates, amplitudes, and whether events in different tracks coincide
    more often than by chance. With traces: the correlation of photons with calcium, per track
    and as a map. Figures are PNG and SVG.

    \b
    Examples:
      copick-picker movie analyze --tracks out/tracks.csv --events out/events.csv -o figures
      copick-picker movie analyze --tracks out/tracks.csv --truth ground_truth_tracks.csv -o analysis
      copick-picker movie analyze --tracks out/tracks.csv --pixel-size-nm 130 --frame-time-ms 50 -o analysis
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)


@command(
    "copick_picker.settings.movie_calcium:MovieTracesSettings",
    "copick_picker.workflows.movie.traces:traces",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Measure traces along tracks, and calcium events.",
    groups=option_groups.MOVIE_TRACES,
)
def traces(flags: Flags) -> None:
    """Measure intensity traces along tracks, and find calcium events.

    Writes traces.csv (track_id, frame, dff), events.csv (track_id, onset_frame, peak_frame,
    amplitude, probability), all measurements in trace_details.csv and event_details.csv, and a
    picture. Channels count from 0. In gaps of tracks, positions are interpolated.

    \b
    Examples:
      copick-picker movie traces pair.tif --tracks out/tracks.csv --channel 1 -o out
      copick-picker movie traces pair.tif --tracks out/tracks.csv -m hybrid -o out
      copick-picker movie traces movie.tif --tracks out/tracks.csv -o single
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie_models:MovieRunSettings",
    "copick_picker.workflows.movie.run:run",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Detect, link and draw in one step.",
    groups=option_groups.MOVIE_RUN,
)
def run(flags: Flags) -> None:
    """Detect, link and draw the puncta of a movie, or of each movie in a folder.

    \b
    Examples:
      copick-picker movie run movie.tif -m detector -l linker --fill-gaps --pixel-size-nm 130 --frame-time-ms 50 -o whole
      copick-picker movie run movies --method log --fill-gaps -o results
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)


@command(
    "copick_picker.settings.movie:MovieConvertSettings",
    "copick_picker.workflows.movie.convert:convert",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Convert tables of puncta from and to other formats.",
)
def convert(flags: Flags) -> None:
    """Convert tables of puncta to another program's format, or from it.

    \b
    Examples:
      copick-picker movie convert out/tracks.csv --to trackmate --movie movie.tif -o tracks.xml
      copick-picker movie convert locs.hdf5 --to csv -o detections.csv
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie_calcium:MovieImportLabelsSettings",
    "copick_picker.workflows.movie.import_labels:import_labels",
    group=movie,
    extra=WITHOUT_A_PROJECT,
    short_help="Match calcium labels with puncta, for training.",
)
def import_labels(flags: Flags) -> None:
    """Match existing calcium labels, masks or tables of events, with puncta.

    Keeps and counts labels at puncta. Writes ground_truth_tracks.csv and
    ground_truth_traces.csv, for movie train hybrid with --real and --labels.

    \b
    Examples:
      copick-picker movie import-labels masks --movie movies --puncta out --leave-out waves -o labels
      copick-picker movie import-labels events.csv --movie pair.tif --puncta out/tracks.csv -o labels
    """  # noqa: D301, E501 (click's mark for text that is not to be wrapped; whole commands)


@movie.group(
    short_help="Train a detector, a linker or a hybrid.",
    no_args_is_help=True,
    context_settings=CONTEXT,
)
def train() -> None:
    """Train a detector, a linker or a hybrid, on simulated movies or on movies with ground truth.

    \b
    Examples:
      copick-picker movie train detector --preset guide --max-minutes 10 -o detector
      copick-picker movie train linker --preset guide -o linker
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie_models:MovieTrainDetectorSettings",
    "copick_picker.workflows.movie.train_detector:train_detector",
    group=train,
    extra=WITHOUT_A_PROJECT,
    short_help="Train a network that detects puncta.",
    groups=option_groups.MOVIE_TRAIN_DETECTOR,
)
def detector(flags: Flags) -> None:
    """Train a network that detects puncta, from few bright ones to the full scene.

    Trains on patches simulated on the fly, or on movies with ground truth (--data). Needs the
    extra: pip install 'copick-picker[train]'. Repeat the command to resume.

    \b
    Examples:
      copick-picker movie train detector --preset guide --max-minutes 10 --threads 1 -o detector
      copick-picker movie train detector --data movies --limit 100 --max-minutes 30 -o detector
      copick-picker movie train detector --config decode_training.yaml --data movies -o detector
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie_models:MovieTrainLinkerSettings",
    "copick_picker.workflows.movie.train_linker:train_linker",
    group=train,
    extra=WITHOUT_A_PROJECT,
    short_help="Train a link score.",
    groups=option_groups.MOVIE_TRAIN_LINKER,
)
def linker(flags: Flags) -> None:
    """Train a link score on simulated tracks, with or without images.

    Reports whether it links held-out movies better than likelihood ratios, which need no
    training.

    \b
    Examples:
      copick-picker movie train linker --preset guide --max-minutes 5 --threads 1 -o linker
      copick-picker movie train linker --preset hard --detector detector -o linker
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.movie_hybrid:MovieTrainHybridSettings",
    "copick_picker.workflows.movie.train_hybrid:train_hybrid",
    group=train,
    extra=WITHOUT_A_PROJECT,
    short_help="Train a network for puncta and calcium.",
    groups=option_groups.MOVIE_TRAIN_HYBRID,
)
def hybrid(flags: Flags) -> None:
    """Train one network that localizes puncta and predicts whether calcium is raised at each.

    Trains on two-channel movies with ground truth (--data), on patches simulated on the fly,
    and on real movies with labels (--real, --labels). Needs the extra: pip install
    'copick-picker[train]'. Repeat the command to resume.

    \b
    Examples:
      copick-picker movie train hybrid --data pairs --max-minutes 20 --threads 2 -o hybrid
      copick-picker movie train hybrid --start detector --loss-weighting kendall -o hybrid
      copick-picker movie train hybrid --config training_hybrid.yaml -o hybrid
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
