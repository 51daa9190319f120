"""Settings of the command ``simulate``."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from copick_picker.settings.job import split_names

Shape = Annotated[tuple[int, int, int], BeforeValidator(split_names)]


class SimulateSettings(BaseModel):
    """Settings of ``simulate``.

    Attributes
    ----------
    scene : pathlib.Path or None
        YAML file of the scene.
    preset : str or None
        Name of a scene that ships with the package. One of the two is given.
    output : pathlib.Path
        Folder of the project that is made.
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

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scene: Path | None = None
    preset: str | None = None
    output: Path
    runs: int | None = None
    seed: int | None = None
    shape: Shape | None = None
    voxel_spacing: float | None = None
    path: Literal["full", "quick"] | None = None
    workers: Annotated[int, Field(ge=1)] = 1
    threads: Annotated[int, Field(ge=1)] | None = None
    overwrite: bool = False
    dry_run: bool = False
    json_file: Path | None = None

    @model_validator(mode="after")
    def _one_scene(self) -> Self:
        if (self.scene is None) == (self.preset is None):
            msg = "give a scene (a YAML file) or --preset NAME, and not both"
            raise ValueError(msg)
        return self

    def changes(self) -> dict[str, Any]:
        """Return what is given over the scene's values."""
        return self.model_dump(include={"runs", "seed", "shape", "voxel_spacing", "path"})
