"""What we use of copick's readers and writers of other programs' particle files.

Imported in one place: copick's logging resets the root logger.
"""

from copick_picker.project.guards import root_logging_kept

with root_logging_kept():
    from copick.util.formats import (
        RelionTomogram,
        build_relion_star_tables,
        copick_to_dynamo_transform,
    )
    from copick.util.relion import relion_rows_to_poses

__all__ = [
    "RelionTomogram",
    "build_relion_star_tables",
    "copick_to_dynamo_transform",
    "relion_rows_to_poses",
]
