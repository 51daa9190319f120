"""Settings that every command shares: which project, which runs, which objects, what to report."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from copick_picker.errors import SettingsError
from copick_picker.records.runs import Opening


def split_names(value: object) -> object:
    """Return a tuple of names from ``a,b``, ``[a,b]``, a list of those, or the value itself.

    Parameters
    ----------
    value : object
        What a flag or a YAML file gave.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.strip("[] ").split(",") if part.strip())
    if isinstance(value, list | tuple):
        names: list[object] = []
        for part in value:
            found = split_names(part) if isinstance(part, str) else part
            names.extend(found if isinstance(found, tuple) else [found])
        return tuple(names)
    return value


def split_pairs(value: object) -> object:
    """Return a dict from ``name=value`` pairs, from a YAML mapping, or the value itself.

    Parameters
    ----------
    value : object
        ``["a=1", "b=2"]``, ``"a=1,b=2"`` or a mapping.

    Raises
    ------
    SettingsError
        If a pair has no ``=`` or a name stands twice.
    """
    if value is None:
        return {}
    if isinstance(value, str | list | tuple):
        pairs: dict[str, str] = {}
        for part in split_names(value):  # type: ignore[attr-defined]
            name, equals, content = str(part).partition("=")
            if not equals or not name or not content:
                msg = f"got '{part}'; expected name=value"
                raise SettingsError(msg)
            if name in pairs:
                msg = f"'{name}' is given twice"
                raise SettingsError(msg)
            pairs[name.strip()] = content.strip()
        return pairs
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
NumberByName = Annotated[dict[str, float], BeforeValidator(split_pairs)]
NameByName = Annotated[dict[str, str], BeforeValidator(split_pairs)]


class JobSettings(BaseModel):
    """Settings that every command over a project takes.

    Attributes
    ----------
    config : str
        Path of the copick configuration file.
    run_names : tuple of str
        Run names, globs, ``@file`` (a name a line), ``!name`` to leave out; empty means all runs.
    objects : tuple of str
        Names of the objects to work on; empty means all.
    shard : str or None
        ``i/n``: the i-th of n parts of the runs, i from 1.
    overwrite : bool
        Replace outputs that exist.
    dry_run : bool
        Say what would be done, write nothing.
    json_file : pathlib.Path or None
        Where to write a machine-readable summary.
    split : str or None
        Only the runs of this split of a Croissant manifest.
    cache : pathlib.Path or None
        Folder that keeps remote array data on disk, shared by processes.
    cache_gigabytes : float
        Bound of that folder in GB (1e9 bytes).
    attempts : int
        How often a remote object is asked for before its run fails.
    timeout_seconds : float
        How long to wait for a remote store.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )

    config: str
    run_names: Names = ()
    objects: Names = ()
    shard: Annotated[str, Field(pattern=r"^[1-9]\d*/[1-9]\d*$")] | None = None
    overwrite: bool = False
    dry_run: bool = False
    json_file: Path | None = None
    split: str | None = None
    cache: Path | None = None
    cache_gigabytes: Annotated[float, Field(gt=0)] = Opening.cache_bytes / 1e9
    attempts: Annotated[int, Field(ge=1, le=20)] = Opening.attempts
    timeout_seconds: Annotated[float, Field(gt=0)] = Opening.timeout_seconds

    @field_validator("shard")
    @classmethod
    def _shard_in_range(cls, value: str | None) -> str | None:
        if value is not None:
            part, parts = (int(number) for number in value.split("/"))
            if part > parts:
                msg = f"shard {value}: the part is from 1 to {parts}"
                raise ValueError(msg)
        return value

    def recorded(self) -> dict[str, Any]:
        """Return the settings that change a result, as they go into provenance records."""
        fields = set(type(self).model_fields) - set(JobSettings.model_fields) - self.unrecorded()
        return self.model_dump(mode="json", include=fields)

    @classmethod
    def unrecorded(cls) -> set[str]:
        """Return the fields of a command that change no result."""
        return set()
