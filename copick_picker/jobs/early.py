"""What the command line alone shows to be wrong, said before the heavy packages are imported."""

from pathlib import Path

from pydantic import BaseModel

from copick_picker.errors import CopickPickerError
from copick_picker.jobs.selection import check_object_names
from copick_picker.project.folders.model_places import model_folders
from copick_picker.project.inventory.opening import open_local
from copick_picker.records.runs import ObjectSpec
from copick_picker.settings.job import EVERY
from copick_picker.settings.options import long_name

_OF_OBJECTS = (
    *("objects", "radius", "threshold", "min_score", "weight", "top", "quantile", "min_distance"),
)
"""Fields that hold names of objects."""


def check_early(settings: BaseModel) -> None:
    """Raise for a model that is not there, or an object that the project does not have.

    Parameters
    ----------
    settings : pydantic model
        Settings of any command. What cannot be told without copick or torch is left to the work.

    Raises
    ------
    CopickPickerError
        As the command itself would.
    """
    config = getattr(settings, "config", None)
    if config is not None and not Path(config).is_file():
        return
    models = getattr(settings, "model", ())
    for name in models if isinstance(models, tuple) else ():
        model_folders(str(name))
    specs = _objects(config)
    if specs is None:
        return
    for field in _OF_OBJECTS:
        value = getattr(settings, field, None)
        if isinstance(value, tuple | dict):
            names = [str(name) for name in value if name != EVERY]
            check_object_names(names, specs, long_name(type(settings), field))


def _objects(config: object) -> dict[str, ObjectSpec] | None:
    """Return the objects of a project on this machine; None where only copick can tell."""
    if not isinstance(config, str | Path) or not Path(config).is_file():
        return None
    try:
        found = open_local(str(config))
    except (CopickPickerError, OSError, ValueError):
        return None
    objects = [] if found is None else found.objects()
    by_name = {spec.name: spec for spec in objects}
    return by_name if by_name and len(by_name) == len(objects) else None
