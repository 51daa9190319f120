"""Folders of MRC files, and run names from file names."""

import re
from pathlib import Path

from copick_picker.errors import SettingsError, choices_text

CONTENT_TYPES = (".mrc", ".rec", ".map", ".st", ".mrcs")
"""Suffixes of MRC files."""
PACKED = ("", ".gz", ".bz2")
"""Further suffixes after those."""
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def run_files(folder: Path, pattern: str) -> dict[str, Path]:
    """Return run name -> MRC file in a folder, sorted by name.

    A run's name is the file's without suffix, or the part that matches ``{run}`` in the pattern;
    characters that copick or a shell cannot handle become ``-``.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look; subfolders are ignored.
    pattern : str
        File name without suffix, containing ``{run}``.

    Raises
    ------
    SettingsError
        If there is no such folder, no MRC file in it, a file that does not match the pattern, or
        two files with the same run name.
    """
    if not folder.is_dir():
        msg = f"there is no folder {folder}"
        raise SettingsError(msg)
    before, after = pattern.split("{run}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem = _stem(path)
        if stem is None or not path.is_file():
            continue
        middle = stem.removeprefix(before).removesuffix(after)
        if len(middle) != len(stem) - len(before) - len(after) or not middle:
            msg = f"{path.name} does not fit --name-pattern '{pattern}'"
            raise SettingsError(msg)
        name = run_name_of(middle)
        if name in found:
            msg = (
                f"{found[name].name} and {path.name} would both be run '{name}': rename one, or "
                "use --name-pattern"
            )
            raise SettingsError(msg)
        found[name] = path
    if not found:
        suffixes = choices_text(CONTENT_TYPES)
        msg = f"{folder} holds no MRC file ({suffixes}, also with .gz or .bz2)"
        raise SettingsError(msg)
    return found


def run_name_of(stem: str) -> str:
    """Return the run name for a file name: characters that it cannot contain become ``-``.

    Parameters
    ----------
    stem : str
        File name without its suffix.

    Examples
    --------
    >>> run_name_of("TS 01_6.80Apx")
    'TS-01_6.80Apx'
    """
    return _UNFIT.sub("-", stem).strip("-.") or "run"


def _stem(path: Path) -> str | None:
    """Return an MRC file's name without its suffixes; None for other files."""
    lower = path.name.lower()
    for packed in PACKED:
        for kind in CONTENT_TYPES:
            suffix = kind + packed
            if lower.endswith(suffix) and len(lower) > len(suffix):
                return path.name[: -len(suffix)]
    return None
