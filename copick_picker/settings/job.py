"""Settings shared by all commands: project, runs, objects, reporting."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeGuard

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from copick_picker.errors import SettingsError
from copick_picker.records.runs import Opening
from copick_picker.settings.options import Option, in_help_order

_COMMAS = re.compile(r",(?![^\[\]]*\])")
"""Commas that divide names: not those in the brackets of a glob, such as ``TS_[1,2]``."""


def split_names(value: object) -> object:
    """Return a tuple of names from ``a,b``, ``[a,b]``, a list of those, or the value itself.

    Parameters
    ----------
    value : object
        Value from a flag or a YAML file.

    Examples
    --------
    >>> [split_names(text) for text in ("a, b", "[a,b]", "SIM_00[12]", "[ab]_1", "TS_[1,2],c")]
    [('a', 'b'), ('a', 'b'), ('SIM_00[12]',), ('[ab]_1',), ('TS_[1,2]', 'c')]
    """
    if value is None:
        return ()
    if isinstance(value, str):
        whole = value.strip()
        is_list = whole.startswith("[") and whole.find("]") == len(whole) - 1
        names_only = whole[1:-1] if is_list else whole
        parts = _COMMAS.split(names_only)
        return tuple(part.strip() for part in parts if part.strip())
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
        If a pair has no ``=`` or a name occurs twice.
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


def shard_in_range(value: str) -> str:
    """Return a shard ``i/n`` if i is one of its n parts.

    Parameters
    ----------
    value : str
        Value of the option.

    Raises
    ------
    ValueError
        If it is not.
    """
    part, parts = (int(number) for number in value.split("/"))
    if part > parts:
        msg = f"shard {value}: the part must be 1 to {parts}"
        raise ValueError(msg)
    return value


EVERY = "*"
"""Stands for every object in ``NAME=VALUE``."""
FOR_EVERY = ("threshold", "min_score")
"""Fields that give a value to every object where the name is :data:`EVERY`."""


def for_object(given: Mapping[str, float], name: str, default: float | None) -> float | None:
    """Return the value of an object: its own, else that of every object, else a default.

    Parameters
    ----------
    given : mapping
        ``NAME=VALUE`` of the user.
    name : str
        The object.
    default : float or None
        Where the user says nothing.

    Examples
    --------
    >>> [for_object({"*": 0.0, "a": 0.4}, name, 0.9) for name in ("a", "b")]
    [0.4, 0.0]
    """
    return given.get(name, given.get(EVERY, default))


def scores_in_range(value: dict[str, float]) -> dict[str, float]:
    """Return thresholds if they are scores.

    Parameters
    ----------
    value : dict
        Object -> threshold.

    Raises
    ------
    ValueError
        If one is not from 0 to 1.
    """
    wrong = [f"{name}={number:g}" for name, number in value.items() if not 0 <= number <= 1]
    if wrong:
        msg = f"{', '.join(wrong)}: scores lie between 0 and 1"
        raise ValueError(msg)
    return value


Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
NumberByName = Annotated[dict[str, float], BeforeValidator(split_pairs)]
ScoreByName = Annotated[NumberByName, AfterValidator(scores_in_range)]
NameByName = Annotated[dict[str, str], BeforeValidator(split_pairs)]
Shard = Annotated[str, Field(pattern=r"^[1-9]\d*/[1-9]\d*$"), AfterValidator(shard_in_range)]
Threads = Annotated[Count | None, Option("CPU threads.")]


class Settings(BaseModel):
    """Immutable settings that allow no unknown field and no infinite value."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )


class Parameters(Settings):
    """Settings that change a result and go into provenance records unchanged."""


class JobSettings(Settings):
    """Settings of every command on a project.

    Attributes
    ----------
    config : str
        Path of the copick configuration file.
    run_names : tuple of str
        Run names, globs, ``@file`` (one name per line), ``!name`` to exclude; empty means all.
    objects : tuple of str
        Names of the objects to work on; empty means all.
    shard : str or None
        ``i/n``: the i-th of n parts of the runs, i from 1.
    split : str or None
        Only the runs of this split of a Croissant manifest.
    cache : pathlib.Path or None
        Folder that keeps remote array data on disk, shared by processes.
    cache_gigabytes : float
        Size limit of that folder in GB (1e9 bytes).
    attempts : int
        How often a remote object is requested before its run fails.
    timeout_seconds : float
        How long to wait for a remote store.
    overwrite : bool
        Replace outputs that exist.
    dry_run : bool
        Report what would be done, write nothing.
    json_file : pathlib.Path or None
        File for a machine-readable summary.
    """

    also_recorded: ClassVar[tuple[str, ...]] = ()
    """Fields recorded unchanged although they are not parameters."""

    config: Annotated[
        str,
        Option(
            "copick configuration file.",
            "-c",
            metavar="PATH",
            envvar="COPICK_CONFIG",
        ),
    ]
    run_names: Annotated[
        Names,
        Option(
            "Run name, glob, @file with one name per line, or !name to exclude; repeatable. "
            "Default: all runs.",
            "-r",
            metavar="RUN",
            aliases="--run-ids -runs --runIDs",
        ),
    ] = ()
    objects: Annotated[Names, Option("Only these objects. Default: all.", metavar="A,B")] = ()
    shard: Annotated[
        Shard | None,
        Option("Process only part I of N of the runs (for Slurm arrays).", metavar="I/N"),
    ] = None
    split: Annotated[
        str | None, Option("Only runs in this split of a Croissant manifest.", metavar="NAME")
    ] = None
    cache: Annotated[
        Path | None,
        Option("Cache remote array data in this folder. Default: no cache on disk.", metavar="DIR"),
    ] = None
    cache_gigabytes: Annotated[
        float,
        Field(gt=0),
        Option("Size limit of --cache. Default: {default}.", metavar="GB", long="--cache-size"),
    ] = Opening.cache_bytes / 1e9
    attempts: Annotated[
        int,
        Field(ge=1, le=20),
        Option("Attempts to read a remote object. Default: {default}.", metavar="N"),
    ] = Opening.attempts
    timeout_seconds: Annotated[
        float,
        Field(gt=0),
        Option(
            "Time limit for an answer from a remote store. Default: {default}.",
            metavar="SECONDS",
            long="--timeout",
        ),
    ] = Opening.timeout_seconds
    overwrite: Annotated[bool, Option("Replace existing outputs.")] = False
    dry_run: Annotated[bool, Option("Print what would be done, and write nothing.")] = False
    json_file: Annotated[
        Path | None, Option("Write a machine-readable summary.", metavar="FILE", long="--json")
    ] = None

    def recorded(self) -> dict[str, Any]:
        """Return the settings that change a result, as they go into provenance records."""
        fields = {
            name for base in type(self).__mro__ if _is_pure(base) for name in base.model_fields
        }
        dumped = self.model_dump(mode="json", include=fields | {*self.also_recorded})
        return {name: dumped[name] for name in in_help_order(type(self)) if name in dumped}


def _is_pure(kind: type) -> TypeGuard[type[Parameters]]:
    """Return whether a class holds only parameters."""
    return issubclass(kind, Parameters) and all(
        issubclass(base, Parameters) or issubclass(Parameters, base) for base in kind.__mro__
    )
