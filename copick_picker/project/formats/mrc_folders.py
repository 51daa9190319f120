"""Folders of volumes, and run names from file names."""

import fnmatch
import re
from dataclasses import dataclass, field
from pathlib import Path

from copick_picker.errors import SettingsError, choices_text

CONTENT_TYPES = (".mrc", ".rec", ".map", ".st", ".mrcs")
"""Suffixes of MRC files."""
PACKED = ("", ".gz", ".bz2")
"""Further suffixes after those."""
OTHER_TYPES = (".tif", ".tiff", ".zarr")
"""Suffixes of volumes of other kinds; zarr is a folder."""
STACKS = {".st": "a raw stack", ".mrcs": "a stack of images"}
"""Suffixes that say that a file is no tomogram."""
_LISTED = 10
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_SIZE = r"(?=$|_\d+(\.\d+)?Apx$)"
_OTHERS = {
    "half a map": re.compile(rf"[_-](half|h)[_-]?[12]{_SIZE}", re.IGNORECASE),
    "half of the frames": re.compile(rf"[_-](odd|even|evn){_SIZE}", re.IGNORECASE),
    "an aligned stack": re.compile(r"[_-](pre)?ali(_bin\d+)?$", re.IGNORECASE),
    "a tilt series": re.compile(r"[_-](stack|tilts|tilt[_-]?series|newst)$", re.IGNORECASE),
}
"""What the end of a name says that a file is: as RELION, Warp and IMOD write them."""


@dataclass
class RunFiles:
    """The volumes of a folder.

    Attributes
    ----------
    files : dict
        Run name -> file, sorted by the file's name.
    left_out : dict
        File name -> why it is left out, in words.
    others : tuple of str
        Names of the runs that those files would have been.
    """

    files: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def run_files(folder: Path, pattern: str, *, glob: str | None = None) -> RunFiles:
    """Return the volumes of a folder that are tomograms, by run name.

    A run's name is the file's without suffix, or the part that matches ``{run}`` in the pattern;
    characters that copick or a shell cannot handle become ``-``. Left out are hidden files, files
    that do not fit the pattern, and, unless a glob chooses files, those whose names say that they
    are stacks, tilt series or halves.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look; subfolders are ignored.
    pattern : str
        File name without suffix, containing ``{run}``.
    glob : str, optional
        Only files whose names fit it; then their names are not asked what they are.

    Raises
    ------
    SettingsError
        If there is no such folder, no tomogram in it, or two files with the same run name.
    """
    if not folder.is_dir():
        msg = f"there is no folder {folder}"
        raise SettingsError(msg)
    found = RunFiles()
    for path in sorted(folder.iterdir()):
        stem = _stem(path)
        if stem is None or path.is_dir() != path.name.lower().endswith(".zarr"):
            continue
        why = _reason(path, stem, pattern, glob)
        if why:
            found.left_out[path.name] = why
            found.others += (run_name_of(_middle(stem, pattern) or stem),)
            continue
        name = run_name_of(_middle(stem, pattern) or stem)
        if name in found.files:
            msg = (
                f"{found.files[name].name} and {path.name} would both be run '{name}': rename one, "
                "use --name-pattern, or choose files with --pattern GLOB"
            )
            raise SettingsError(msg)
        found.files[name] = path
    if not found.files:
        msg = f"{folder} holds {_what_else(found)}"
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


def is_hidden(path: Path) -> bool:
    """Return whether a file is hidden, as macOS' ``._TS_01.mrc``, which holds no volume.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """
    return path.name.startswith(".")


def left_out_text(left_out: dict[str, str]) -> list[str]:
    """Return lines that say which files are left out, one for each reason.

    Parameters
    ----------
    left_out : dict
        File name -> why.
    """
    by_reason: dict[str, list[str]] = {}
    for name, why in left_out.items():
        by_reason.setdefault(why, []).append(name)
    return [
        f"Left out ({why}): {choices_text(names[:_LISTED])}{', ...' * (len(names) > _LISTED)}"
        for why, names in by_reason.items()
    ]


def _reason(path: Path, stem: str, pattern: str, glob: str | None) -> str:
    """Return why a file is left out; empty if it is a tomogram's."""
    if is_hidden(path):
        return "hidden"
    if glob is not None:
        if not fnmatch.fnmatchcase(path.name, glob):
            return f"does not match --pattern '{glob}'"
    else:
        kind = next(
            (kind for kind in STACKS if path.name[len(stem) :].lower().startswith(kind)), ""
        )
        found = [what for what, ending in _OTHERS.items() if ending.search(stem)]
        if kind or found:
            return f"{STACKS[kind] if kind else found[0]}, by its name; --pattern chooses files"
    if _middle(stem, pattern) is None:
        return f"does not match --name-pattern '{pattern}'"
    return ""


def _middle(stem: str, pattern: str) -> str | None:
    """Return what stands for ``{run}`` in a name; None where it does not fit the pattern."""
    before, after = pattern.split("{run}")
    middle = stem.removeprefix(before).removesuffix(after)
    return middle if middle and len(middle) == len(stem) - len(before) - len(after) else None


def _what_else(found: RunFiles) -> str:
    if found.left_out:
        return f"no tomogram: {'; '.join(left_out_text(found.left_out))}"
    kinds = choices_text((*CONTENT_TYPES, *OTHER_TYPES))
    return f"no MRC file, TIFF stack or zarr volume ({kinds}; MRC also with .gz or .bz2)"


def _stem(path: Path) -> str | None:
    """Return a volume's name without its suffixes; None for other files."""
    lower = path.name.lower()
    suffixes = [kind + packed for packed in PACKED for kind in CONTENT_TYPES]
    for suffix in (*suffixes, *OTHER_TYPES):
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return path.name[: -len(suffix)]
    return None
