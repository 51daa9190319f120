"""``copick-picker import``: tomograms, segmentations and picks of other programs."""

from copick_picker.cli.command import Flags, command, command_group


@command_group
def import_() -> None:
    """Bring tomograms, segmentations and picks of other programs into a project.

    \b
    Examples:
      copick-picker import mrc tomograms -c config.json --spacing header --type wbp
      copick-picker import byu train --labels train_labels.csv -c byu/config.json
      copick-picker import picks particles.star -c config.json -o ribosome:relion/1
      copick-picker import segmentation masks -c config.json --object membrane -o membrane:hand/1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.import_:ImportMrcSettings",
    "copick_picker.workflows.exchange.import_mrc:import_mrc",
    group=import_,
    short_help="Store MRC files as tomograms.",
)
def mrc(flags: Flags) -> None:
    """Store every MRC file of a folder as the tomogram of a run that has the file's name.

    Any mode of real numbers, either byte order, also gzip and bzip2. Files are read in blocks, and
    written with copick's three levels of resolution. What is stored already is skipped. Hidden
    files, stacks, tilt series and half maps are left out and named; --pattern chooses files.

    \b
    Examples:
      copick-picker import mrc tomograms -c config.json --spacing header --type wbp
      copick-picker import mrc etomo -c config.json --pattern "*_rec.mrc" --name-pattern "{run}_rec"
      copick-picker import mrc tomograms -c new/config.json --new-object ribosome=150
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.import_:ImportByuSettings",
    "copick_picker.workflows.exchange.import_byu:import_byu",
    group=import_,
    short_help="Store folders of JPG slices, and a table of motors.",
)
def byu(flags: Flags) -> None:
    """Store folders of JPG slices as tomograms, and a table of motors as picks.

    The form is that of the challenge BYU 2025: a folder of numbered grey slices for each tomogram,
    and a table with a row for each motor, or one of -1 where there is none, which makes an empty
    pick set. Slices are stored as they are, in 8 bits. Where there is no project, one is made.

    \b
    Examples:
      copick-picker import byu train --labels train_labels.csv -c byu/config.json
      copick-picker import byu test -c test/config.json --spacing 13.1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.import_:ImportPicksSettings",
    "copick_picker.workflows.exchange.import_picks:import_picks",
    group=import_,
    short_help="Store the particles of a file as picks.",
)
def picks(flags: Flags) -> None:
    """Store the particles of a file as picks, run by run.

    STAR files of RELION 3, 4 and 5, Warp, M and pytom-match-pick; CSV, also of the challenges CZII
    and BYU; Dynamo's .tbl; EMAN2's info .json; IMOD's .mod; crYOLO's .cbox; .coords, .xyz and .txt;
    the portal's .ndjson; motive lists .em. Which convention, pixel size and scores were taken is
    said. Files of several classes are split by --classes or -o "*:user/session".

    \b
    Examples:
      copick-picker import picks particles.star -c config.json -o ribosome:relion/1
      copick-picker import picks train_labels.csv -c config.json -o "*:czii/1"
      copick-picker import picks TS_01.mod -c config.json -o ribosome:hand/1 --run TS_01
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.import_segmentation:ImportSegmentationSettings",
    "copick_picker.workflows.exchange.import_segmentation:import_segmentation",
    group=import_,
    short_help="Store MRC or TIFF volumes of labels as segmentations.",
)
def segmentation(flags: Flags) -> None:
    """Store volumes of labels, one a run, as segmentations on the grid of a tomogram.

    FILES is an MRC file or TIFF stack, or a folder of them. Values are the project's labels, unless
    --label, --object or --instances says what they mean; a value without a meaning is refused.

    \b
    Examples:
      copick-picker import segmentation masks -c config.json --object membrane -o membrane:hand/1
      copick-picker import segmentation TS_01.mrc -c config.json --label 1=ribosome -o hand:me/1
      copick-picker import segmentation seg -c config.json --instances ribosome -o ribosome:amira/1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
