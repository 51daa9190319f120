"""``copick-picker movie``: movies of moving puncta."""

from copick_picker.cli.command import (
    CONTEXT,
    WITHOUT_A_PROJECT,
    Flags,
    command,
    command_group,
)


@command_group
def movie() -> None:
    """Simulate movies of moving puncta, detect, link and measure them.

    Positions are in pixels, frames count from 0; the centre of the first pixel is at 0, 0.

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
    short_help="Simulate movies with known truth.",
)
def simulate(flags: Flags) -> None:
    """Simulate movies of puncta under TIRF light, with their truth.

    Writes folders sample_000, sample_001, ... with movie.tif, ground_truth_tracks.csv and
    metadata.json. Movies that are there already are kept, so that an interrupted command goes on.

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
)
def detect(flags: Flags) -> None:
    """Detect puncta in a movie, or in each movie of a folder.

    Writes detections.csv: frame, x, y, probability, photons, sigma_x, sigma_y. Says how the movie
    compares with what the model was trained on.

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
    short_help="Link detections to tracks.",
)
def link(flags: Flags) -> None:
    """Link the detections of a movie to tracks, whoever made them.

    Takes CSV with frame, x, y; ThunderSTORM's CSV, Picasso's HDF5, TrackMate's XML, GEFF. Writes
    tracks.csv (frame, x, y, probability, photons, track_id, filled) and track_summary.csv. Lengths
    count detections, not the positions that --fill-gaps adds.

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
    short_help="Score detections and tracks against the truth.",
)
def evaluate(flags: Flags) -> None:
    """Score detections, tracks or both against the truth, for one movie or a folder of them.

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
    short_help="Say how long and how whole tracks are.",
)
def analyze(flags: Flags) -> None:
    """Say how long tracks are, how they move, and what goes with a truth or with calcium.

    Of each track of --min-length detections: diffusion coefficient with a 95 % interval, error of its
    positions, and whether it rests, diffuses, is driven or confined. With --events: rates and
    amplitudes, and whether events of different tracks begin together more often than by chance.
    With traces: the correlation of photons with calcium, track by track and over the field. Figures
    are PNG and SVG.

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
)
def traces(flags: Flags) -> None:
    """Measure how bright tracks are over time, and find calcium events in that.

    Writes traces.csv (track_id, frame, dff) and events.csv (track_id, onset_frame, peak_frame,
    amplitude, probability), trace_details.csv and event_details.csv with all that was measured, and
    a picture. Channels count from 0. Gaps of tracks are measured on the line between their ends.

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
    short_help="Detect, link and show, in one go.",
)
def run(flags: Flags) -> None:
    """Detect, link and show the puncta of a movie, or of each movie of a folder.

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
    short_help="Turn tables of puncta into other programs' formats.",
)
def convert(flags: Flags) -> None:
    """Write a table of puncta for another program, or one of theirs as ours.

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
    short_help="Pair calcium labels with puncta, for training.",
)
def import_labels(flags: Flags) -> None:
    """Pair existing calcium labels, masks or tables of events, with puncta.

    Keeps labels at puncta, and says how many. Writes ground_truth_tracks.csv and
    ground_truth_traces.csv, which movie train hybrid takes with --real and --labels.

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
    """Train a detector, a linker or a hybrid, on simulated movies or on movies with their truth.

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
)
def detector(flags: Flags) -> None:
    """Train a network that detects puncta, from few bright ones to those of the scene.

    Learns from patches that are simulated on the fly, or from movies with their truth (--data).
    Needs the extra: pip install 'copick-picker[train]'. A stopped training is resumed by the same
    command.

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
    short_help="Train a score of links.",
)
def linker(flags: Flags) -> None:
    """Train a score of links on simulated tracks, with or without images.

    Says whether it links held-out movies better than likelihood ratios, which need no training.

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
)
def hybrid(flags: Flags) -> None:
    """Train one network that localizes puncta and says whether calcium is up at each.

    Learns from two-channel movies with their truth (--data), from patches simulated on the fly,
    and from real movies with labels (--real, --labels). A stopped training is resumed by the same
    command. Needs the extra: pip install 'copick-picker[train]'.

    \b
    Examples:
      copick-picker movie train hybrid --data pairs --max-minutes 20 --threads 2 -o hybrid
      copick-picker movie train hybrid --start detector --loss-weighting kendall -o hybrid
      copick-picker movie train hybrid --config training_hybrid.yaml -o hybrid
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
