"""Curricula of ``train``: stages from easy to hard, with sources of patches and their shares."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from copick_picker.errors import SettingsError
from copick_picker.settings.files import read_yaml
from copick_picker.settings.simulate_entries import Entry
from copick_picker.settings.simulate_scene import problem_text

KINDS = ("project", "scene", "preset")
SIMULATED_AT_ONCE = 2
"""Simulated tomograms that the patches of a batch are cut from."""
SIMULATED_BATCHES = 8
"""Batches that are cut from the same simulated tomograms."""
SIMULATED_LANES = 4
"""Batches in a row that take their tomograms from different sets, so that as many processes need
not simulate the same."""
SIMULATED_LEAST_SIDE = 96
"""Least side (y, x) of a simulated tomogram, in voxels, if its scene is larger."""
_SUM_TOLERANCE = 1e-6


class SourceEntry(Entry):
    """A source of patches: one of a project, a scene and a preset.

    Attributes
    ----------
    project : pathlib.Path or None
        copick configuration file.
    scene : pathlib.Path or None
        Scene of ``simulate``.
    preset : str or None
        Name of a scene that ships with the package.
    share : float
        Share of the stage's patches.
    """

    project: Path | None = None
    scene: Path | None = None
    preset: str | None = None
    share: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            msg = f"give one of {', '.join(KINDS)}; got {' and '.join(given) or 'none'}"
            raise ValueError(msg)
        return self

    def title(self) -> str:
        """Return the source in words."""
        kind = next(kind for kind in KINDS if getattr(self, kind) is not None)
        return f"{kind} {getattr(self, kind)}"


class StageEntry(Entry):
    """A stage.

    Attributes
    ----------
    steps : int or None
        Its steps; the last stage goes on to the end of the training.
    sources : tuple of SourceEntry
        Where its patches come from.
    """

    steps: Annotated[int, Field(ge=1)] | None = None
    sources: Annotated[tuple[SourceEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = sum(source.share for source in self.sources)
        if abs(total - 1.0) > _SUM_TOLERANCE:
            msg = f"the shares of the sources sum to {total:g}; expected 1"
            raise ValueError(msg)
        return self


class CurriculumSettings(Entry):
    """A curriculum.

    Attributes
    ----------
    stages : tuple of StageEntry
        One after the other.
    """

    stages: Annotated[tuple[StageEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _stages_end(self) -> Self:
        for number, stage in enumerate(self.stages[:-1], start=1):
            if stage.steps is None:
                msg = f"stage {number} has no steps; only the last stage may omit them"
                raise ValueError(msg)
        return self


def load_curriculum(path: Path) -> CurriculumSettings:
    """Return the curriculum of a YAML file, checked.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a key or a value is wrong.
    """
    try:
        return CurriculumSettings.model_validate(read_yaml(path, CurriculumSettings))
    except ValidationError as error:
        problems = "; ".join(problem_text(each) for each in error.errors())
        msg = f"{path}: {problems}"
        raise SettingsError(msg) from error


def path_beside(path: Path, file: Path) -> Path:
    """Return a path that a file names: from the file's folder, else from the current one.

    Parameters
    ----------
    path : pathlib.Path
        As the file says.
    file : pathlib.Path
        The file.
    """
    beside = file.parent / path
    return beside if beside.exists() else path
