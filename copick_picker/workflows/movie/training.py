"""What both trainings of movies do alike: where they work, how they resume, the guide's files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import yaml
from pydantic import ValidationError

from copick_picker.errors import CheckpointError, ConflictError, SettingsError
from copick_picker.jobs.provenance import digest
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.movie_models import OWN_FILES, read_movie_card
from copick_picker.project.folders.project_folder import (
    begin_anew,
    end_anew,
    foreign_files,
    refuse_foreign,
)
from copick_picker.project.folders.training_files import (
    JOB_FILE,
    foreign_in_training,
    read_json,
    write_json,
)
from copick_picker.project.guards import guarded
from copick_picker.project.standing import Output, own_folder
from copick_picker.records.plain_text import load_yaml
from copick_picker.settings.movie_hybrid import hybrid_values
from copick_picker.settings.movie_models import MovieTraining, guide_values
from copick_picker.settings.wrong_values import expected_words

Trained = TypeVar("Trained", bound=MovieTraining)


def work_folder(output: Path) -> Path:
    """Return the folder of an unfinished training, next to the model.

    Parameters
    ----------
    output : pathlib.Path
        Folder of the model.
    """
    return output.with_name(f"{output.name}.training")


def model_output(settings: MovieTraining, card_file: str) -> Output:
    """Return the model's folder as an output; a resumed training replaces what it began to replace.

    It replaces no model of another kind, and no weights without our card.

    Parameters
    ----------
    settings : MovieTraining
        ``output`` and ``overwrite``.
    card_file : str
        Name of the card in the model's folder.
    """

    def foreign(path: Path) -> list[str]:
        return foreign_files(path, OWN_FILES if (path / card_file).is_file() else ())

    kind = own_folder(foreign)
    known = read_json(work_folder(settings.output) / JOB_FILE) or {}
    overwrite = settings.overwrite or bool(known.get("replaces"))
    return Output(settings.output, kind, overwrite=overwrite, advice="another --output")


def begin_training(settings: MovieTraining, record: dict[str, Any], card_file: str) -> bool:
    """Make the folder of a training, or take up one that was stopped.

    Parameters
    ----------
    settings : MovieTraining
        Settings of the command.
    record : dict
        What identifies the training; ``digest`` is filled in.
    card_file : str
        Name of the card in the model's folder.

    Returns
    -------
    bool
        Whether the same model is there already.

    Raises
    ------
    ConflictError
        If a training that was begun otherwise, or something else, stands in the place.
    """
    record["digest"] = digest(record)
    folder = work_folder(settings.output)
    known = read_json(folder / JOB_FILE)
    if not settings.overwrite:
        if known is not None and known.get("record", {}).get("digest") != record["digest"]:
            msg = (
                f"{folder} holds a training that was started with other settings; use "
                "--overwrite or another --output"
            )
            raise ConflictError(msg)
        if _made_by(settings.output, card_file, record):
            return True
    model_output(settings, card_file).check()
    if settings.overwrite:
        begin_anew(folder, "movie train", foreign_in_training)
    if not (folder / JOB_FILE).is_file():
        refuse_foreign(folder, "this training", foreign_files(folder, ()))
        write_json(folder / JOB_FILE, {"replaces": settings.overwrite, "record": record})
    return False


def end_training(folder: Path, *, reporter: Reporter) -> None:
    """Remove the folder of a training whose model is written.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    reporter : Reporter
        Is told what stays, because it is not ours.
    """
    stays = end_anew(folder, foreign_in_training)
    if stays:
        reporter.warn(stays)


def _made_by(folder: Path, card_file: str, record: Mapping[str, Any]) -> bool:
    try:
        card = read_movie_card(folder, card_file)
    except CheckpointError:
        return False
    return bool((card.get("training") or {}).get("job") == record["digest"])


def given_by_guide(
    settings: Trained, kind: Literal["detector", "linker", "hybrid"], *, reporter: Reporter
) -> Trained:
    """Return settings with what a file of the guide gives, where the command line says nothing.

    Parameters
    ----------
    settings : MovieTraining
        Settings of the command.
    kind : str
        ``detector``, ``linker`` or ``hybrid``.
    reporter : Reporter
        Is told of keys that change nothing here.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a key or a value is wrong.
    """
    if settings.config is None:
        return settings
    path = settings.config
    with guarded(f"cannot read {path}"):
        try:
            content = load_yaml(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            msg = f"{path} is not a YAML file: {' '.join(str(error).split())}"
            raise SettingsError(msg) from error
    if not isinstance(content, Mapping):
        msg = f"{path} is empty; expected the sections model and training"
        raise SettingsError(msg)
    if kind == "hybrid":
        values, idle = hybrid_values(content, where=str(path))
    else:
        values, idle = guide_values(content, kind, where=str(path))
    if idle:
        reporter.note(f"{path}: no effect here: {', '.join(idle)}")
    if kind == "detector" and settings.data is None and values.pop("epochs", None) is not None:
        reporter.note(f"{path}: num_epochs counts movies of --data; without them --steps counts")
    given = settings.model_dump(exclude_unset=True)
    try:
        return type(settings).model_validate({**values, **given})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{path}: {where}: got {first['input']!r}; {expected_words(dict(first))}"
        raise SettingsError(msg) from error


def plain(content: Any) -> Any:  # noqa: ANN401 (values for YAML)
    """Return values that YAML has a word for.

    Parameters
    ----------
    content : object
        Mappings, sequences, numbers and paths.
    """
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, np.generic):
        return content.item()
    return str(content) if isinstance(content, Path) else content
