"""``copick-picker import``: tomograms, segmentations and picks of other programs."""

from copick_picker.cli.command import Flags, command, command_group


@command_group
def import_() -> None:
    """Import tomograms, segmentations and picks from other programs.

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
    """Store each MRC file in a folder as the tomogram of a run, named after the file.

    Reads any real-valued mode in either byte order, also gzip and bzip2, in blocks, and writes
    copick's three resolution levels. Tomograms already stored are skipped. Hidden files,
    stacks, tilt series and half maps are left out and listed; --pattern chooses files.

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
    short_help="Store folders of JPG slices and a table of motors.",
)
def byu(flags: Flags) -> None:
    """Store folders of JPG slices as tomograms, and a table of motors as picks.

    The layout is that of the BYU 2025 challenge: a folder of numbered grey slices per tomogram,
    and a table with one row per motor, or a row of -1 if there is none, which makes an empty
    pick set. Slices stay 8-bit. If there is no project, one is made.

    \b
    Examples:
      copick-picker import byu train --labels train_labels.csv -c byu/config.json
      copick-picker import byu test -c test/config.json --spacing 13.1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)


@command(
    "copick_picker.settings.import_:ImportPicksSettings",
    "copick_picker.workflows.exchange.import_picks:import_picks",
    group=import_,
    short_help="Store the particles in a file as picks.",
)
def picks(flags: Flags) -> None:
    """Store the particles in a file as picks, run by run.

    Reads STAR files of RELION 3, 4 and 5, Warp, M and pytom-match-pick; CSV, including the CZII
    and BYU challenges; Dynamo .tbl; EMAN2 info .json; IMOD .mod; crYOLO .cbox; .coords, .xyz
    and .txt; the portal's .ndjson; .em motive lists. Prints the convention, pixel size and
    scores it used. Files with several classes are split with --classes or -o "*:user/session".

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
    short_help="Store MRC or TIFF label volumes as segmentations.",
)
def segmentation(flags: Flags) -> None:
    """Store label volumes, one per run, as segmentations on the grid of a tomogram.

    FILES is an MRC file, a TIFF stack or a folder of them. Values are the project's labels
    unless you pass --label, --object or --instances; values without a meaning are refused.

    \b
    Examples:
      copick-picker import segmentation masks -c config.json --object membrane -o membrane:hand/1
      copick-picker import segmentation TS_01.mrc -c config.json --label 1=ribosome -o hand:me/1
      copick-picker import segmentation seg -c config.json --instances ribosome -o ribosome:amira/1
    """  # noqa: D301 (click's mark for text that is not to be wrapped)
