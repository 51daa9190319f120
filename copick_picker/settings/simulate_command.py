"""Settings of the command ``simulate``."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from copick_picker.settings.job import Count, Settings, split_names
from copick_picker.settings.options import Option

GREY_PERCENTILES = (0.05, 99.95)
"""Grey values between these become 0 to 255 in 8-bit slices; what is beyond is cut off."""
JPG_QUALITY = 90
"""Quality of the slices."""
Shape = Annotated[tuple[int, int, int], BeforeValidator(split_names)]


class SimulateSettings(Settings):
    """Settings of ``simulate``.

    Attributes
    ----------
    scene : pathlib.Path or None
        YAML file of the scene.
    preset : str or None
        Name of a scene that ships with the package. One of the two is given.
    output : pathlib.Path
        Folder of the project that is made.
    slices : pathlib.Path or None
        Folder for the tomograms as 8-bit JPG slices, with a table of the one object's places.
    runs, seed, shape, voxel_spacing, path
        Over those of the scene.
    workers : int
        Processes that share the runs.
    threads : int or None
        CPU threads in all; None means all.
    overwrite : bool
        Begin anew: the simulated project that the folder holds is removed.
    dry_run : bool
        Say what would be made; write nothing.
    json_file : pathlib.Path or None
        Where to write a machine-readable summary.
    """

    scene: Annotated[Path | None, Option(metavar="[SCENE.yaml]", argument=True)] = None
    preset: Annotated[
        str | None,
        Option(
            "A ready-made scene: tiny, shrec-like, czii-like, microtubules or motors.",
            metavar="NAME",
        ),
    ] = None
    output: Annotated[Path, Option("Folder for the project.", "-o", metavar="FOLDER")]
    slices: Annotated[
        Path | None,
        Option(
            "Also write JPG slices and train_labels.csv, as read by import byu.",
            metavar="FOLDER",
        ),
    ] = None
    runs: Annotated[
        int | None, Option("Number of tomograms. Default: the scene's.", metavar="N")
    ] = None
    seed: Annotated[int | None, Option("Seed. Default: the scene's.", metavar="S")] = None
    path: Annotated[
        Literal["full", "quick"] | None,
        Option(
            "Simulate a full tilt series with back-projection, or image in one quick step. "
            "Default: the scene's."
        ),
    ] = None
    shape: Annotated[
        Shape | None, Option("Size in voxels. Default: the scene's.", metavar="Z,Y,X")
    ] = None
    voxel_spacing: Annotated[
        float | None, Option("Voxel spacing. Default: the scene's.", metavar="A")
    ] = None
    workers: Annotated[
        Count, Option("Number of processes that share the runs.", "-j", metavar="N")
    ] = 1
    threads: Annotated[
        Count | None, Option("CPU threads, shared between workers.", metavar="N")
    ] = None
    overwrite: Annotated[
        bool, Option("Start again and replace the existing simulated project.")
    ] = False
    dry_run: Annotated[bool, Option("Print what would be made, and write nothing.")] = False
    json_file: Annotated[
        Path | None, Option("Write a machine-readable summary.", metavar="FILE", long="--json")
    ] = None

    @model_validator(mode="after")
    def _one_scene(self) -> Self:
        if (self.scene is None) == (self.preset is None):
            msg = "give either a scene (a YAML file) or --preset NAME"
            raise ValueError(msg)
        return self

    def changes(self) -> dict[str, Any]:
        """Return what is given over the scene's values."""
        return self.model_dump(include={"runs", "seed", "shape", "voxel_spacing", "path"})
