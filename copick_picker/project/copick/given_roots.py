"""Projects that copick has opened already: the configuration file of a root or a run."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copick_picker.errors import SettingsError
from copick_picker.project.files import write_text
from copick_picker.project.local_places import with_whole_roots

if TYPE_CHECKING:
    from copick.models import CopickRoot


def stored_config(project: object) -> tuple[str, tuple[str, ...]]:
    """Return the configuration file of a project, and the run that it was named by, if any.

    copick forgets which file a root was opened from. The configuration of a root is therefore
    written to the user's cache, under the hash of its content.

    Parameters
    ----------
    project : str, path, CopickRoot or CopickRun
        Configuration file, open project, or one run of an open project.

    Raises
    ------
    SettingsError
        If it is none of these.
    """
    if isinstance(project, str | Path):
        return str(project), ()
    from copick.models import CopickRoot, CopickRun

    if isinstance(project, CopickRun):
        return stored_config(project.root)[0], (str(project.name),)
    if isinstance(project, CopickRoot):
        return str(_written(project)), ()
    msg = (
        f"project: got a {type(project).__name__}; expected the path of a copick configuration, a "
        "copick root or a copick run"
    )
    raise SettingsError(msg)


def refresh_runs(project: object, run_names: Sequence[str]) -> None:
    """Let copick list the picks and segmentations of some runs anew.

    Parameters
    ----------
    project : str, path, CopickRoot or CopickRun
        What the user holds; a path needs nothing.
    run_names : sequence of str
        Runs that may have new objects.
    """
    if isinstance(project, str | Path):
        return
    run: Any = project
    runs = [run] if hasattr(run, "root") else map(run.get_run, run_names)
    for run in filter(None, runs):
        run.refresh_picks()
        run.refresh_segmentations()


def _written(root: "CopickRoot") -> Path:
    """Return the configuration of a root as a file that only its user may read."""
    config = json.loads(root.config.model_dump_json(exclude_none=True))
    text = json.dumps(with_whole_roots(config, Path.cwd()), indent=2) + "\n"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = cache / "copick-picker" / "roots" / f"{name}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(path, text)
        path.chmod(0o600)
    return path
