"""Settings of ``export``."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from copick_picker.settings.job import JobSettings
from copick_picker.settings.limits import LimitedSettings
from copick_picker.settings.options import Option

WARP_NAMES = "{run}.tomostar"
"""What Warp calls a tilt series."""
PLAIN_NAMES = "{run}"


def check_pattern(value: str) -> str:
    """Return a pattern of tomogram names with exactly one ``{run}``.

    Parameters
    ----------
    value : str
        What the user wrote.

    Raises
    ------
    ValueError
        If it has not the form.
    """
    if value.count("{run}") != 1:
        msg = "expected {run} once, such as {run}.tomostar"
        raise ValueError(msg)
    return value


Pattern = Annotated[str, AfterValidator(check_pattern)]
"""Pattern of a name, with ``{run}`` where the run's name stands."""
NamesTable = Annotated[
    str | None, Option("CSV table with columns run_name, tomogram_name.", metavar="CSV")
]


class ExportPicksSettings(LimitedSettings):
    """Settings of ``export picks``.

    Attributes
    ----------
    input : str
        Picks URI ``object:user/session``; ``*`` stands for every object.
    to : str
        Format.
    output : str
        Folder for the files.
    per_run : bool
        One file a run instead of one for all.
    tomogram : str
        Tomogram URI: its size gives centres and borders, its voxel spacing the pixels.
    pixel_size : float or None
        Unbinned pixels in Angstrom that coordinates count. None: the tomogram's voxels.
    binning : float
        Coordinates count pixels of this many unbinned ones.
    tomograms : str or None
        RELION's ``tomograms.star``: centres and optics come from there.
    names : str or None
        CSV file with the columns ``run_name`` and ``tomogram_name``.
    name_pattern : str or None
        Tomogram name with ``{run}`` in it. None: ``{run}.tomostar`` for Warp, else ``{run}``.
    filaments : str
        Whether picks are written as points along filaments; ``auto``: those of objects that the
        project declares filaments, if they have instance ids.
    mrc : str or None
        MRC file of a run's tomogram with ``{run}`` in it, which the script for ChimeraX opens.
    random_subset : bool
        Add random halves, 1 and 2. Filaments always have halves, and stay whole.
    seed : int
        Seed of the halves.
    """

    to: Annotated[
        Literal[
            "relion5", "relion4", "warp", "dynamo", "imod", "chimerax", "csv", "copick-csv", "byu"
        ],
        Option("File format.", after="input"),
    ]
    output: Annotated[str, Option("Folder for the files.", "-o", metavar="FOLDER")]
    per_run: Annotated[bool, Option("Write one file per run.")] = False
    tomogram: Annotated[
        str,
        Option(
            "Tomogram that sets size and voxel spacing. Default: the run's only one.",
            uri="tomogram",
        ),
    ] = "*"
    pixel_size: Annotated[
        float | None,
        Field(gt=0),
        Option(
            "Unbinned pixel size, for coordinates in pixels. Default: the tomogram's voxel "
            "spacing.",
            metavar="A",
            after="tomogram",
        ),
    ] = None
    binning: Annotated[
        float, Field(gt=0), Option("Binning of the coordinates, relative to --pixel-size.")
    ] = 1.0
    tomograms: Annotated[
        str | None,
        Option(
            "RELION's tomograms.star, for exact centres and an optics table (--to relion5).",
            metavar="STAR",
        ),
    ] = None
    names: NamesTable = None
    name_pattern: Annotated[
        Pattern | None,
        Option(
            "Tomogram name with {run} in it. Default: {run}, and {run}.tomostar for Warp.",
            metavar="PATTERN",
        ),
    ] = None
    filaments: Annotated[
        Literal["auto", "on", "off"],
        Option(
            "Write tube numbers, track lengths, priors and halves by filament (relion5, relion4, "
            "warp). auto: for objects declared as filaments whose picks have filament numbers.",
        ),
    ] = "auto"
    mrc: Annotated[
        Pattern | None,
        Option(
            "MRC file that the ChimeraX script opens, with {run} for the run.",
            metavar="PATTERN",
        ),
    ] = None
    random_subset: Annotated[bool, Option("Add random halves, 1 and 2; filaments stay whole.")] = (
        False
    )
    seed: Annotated[int, Field(ge=0), Option("Seed of the halves.")] = 0

    @model_validator(mode="after")
    def _options_fit_the_format(self) -> Self:
        if self.to == "relion4" and self.pixel_size is None:
            msg = (
                "--to relion4 needs --pixel-size: RELION 4 uses unbinned tilt-series "
                "pixels, whose size the project does not store"
            )
            raise ValueError(msg)
        if not self.counts_pixels and (self.pixel_size or self.binning != 1):
            msg = f"--to {self.to} writes Angstrom; --pixel-size and --binning do not apply"
            raise ValueError(msg)
        if self.to == "byu" and (self.per_run or self.random_subset):
            option = "--per-run" if self.per_run else "--random-subset"
            msg = f"--to byu writes one table with a row per tomogram; {option} does not apply"
            raise ValueError(msg)
        if self.to in ("imod", "chimerax") and self.random_subset:
            msg = f"--to {self.to} writes only points; --random-subset does not apply"
            raise ValueError(msg)
        if self.mrc is not None and self.to != "chimerax":
            msg = f"--mrc only works with --to chimerax, not {self.to}"
            raise ValueError(msg)
        if self.filaments == "on" and not self.knows_filaments:
            msg = (
                f"--to {self.to} does not support filaments; --filaments on works with relion5, "
                "relion4, warp"
            )
            raise ValueError(msg)
        if self.tomograms is not None and self.to != "relion5":
            msg = f"--tomograms only works with --to relion5, not {self.to}"
            raise ValueError(msg)
        return self

    @property
    def counts_pixels(self) -> bool:
        """Whether the format counts pixels, not Angstrom."""
        return self.to in ("relion4", "warp", "dynamo", "imod", "byu")

    @property
    def writes_file_a_run(self) -> bool:
        """Whether every run has a file, whatever the user says."""
        return self.to in ("imod", "chimerax")

    @property
    def knows_filaments(self) -> bool:
        """Whether the format has columns for filaments."""
        return self.to in ("relion5", "relion4", "warp")

    @property
    def lists_every_run(self) -> bool:
        """Whether runs without picks are written too."""
        return self.to == "byu"

    @property
    def needs_centre(self) -> bool:
        """Whether the centre of each tomogram must be known."""
        return self.to == "relion5" and self.tomograms is None

    @property
    def needs_voxels(self) -> bool:
        """Whether the voxel spacing of each tomogram must be known."""
        return self.counts_pixels and self.pixel_size is None

    def pattern(self) -> str:
        """Return the pattern of tomogram names."""
        return self.name_pattern or (WARP_NAMES if self.to == "warp" else PLAIN_NAMES)


class ExportSegmentationSettings(JobSettings):
    """Settings of ``export segmentation``.

    Attributes
    ----------
    input : str
        Segmentation URI ``name:user/session@spacing``.
    to : str
        Format.
    output : str
        Folder for the files, one a run.
    """

    input: Annotated[
        str, Option("Segmentation URI, name:user/session@spacing.", "-i", uri="segmentation")
    ]
    to: Annotated[Literal["mrc", "tiff"], Option("File format.")] = "mrc"
    output: Annotated[str, Option("Folder for the files, one per run.", "-o", metavar="FOLDER")]
