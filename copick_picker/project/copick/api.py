"""What we use of copick, imported in one place: its import resets the root logger."""

from typing import TypeAlias

from copick_picker.project.guards import root_logging_kept

with root_logging_kept():
    from copick import from_string
    from copick.models import (
        CopickFeatures,
        CopickFilament,
        CopickFilaments,
        CopickFilamentsFile,
        CopickObject,
        CopickPicks,
        CopickPicksFile,
        CopickRoot,
        CopickRun,
        CopickSegmentation,
        CopickTomogram,
    )
    from copick.util.escape import sanitize_name

Volume: TypeAlias = CopickTomogram | CopickSegmentation | CopickFeatures

__all__ = [
    "CopickFeatures",
    "CopickFilament",
    "CopickFilaments",
    "CopickFilamentsFile",
    "CopickObject",
    "CopickPicks",
    "CopickPicksFile",
    "CopickRoot",
    "CopickRun",
    "CopickSegmentation",
    "CopickTomogram",
    "Volume",
    "from_string",
    "sanitize_name",
]
