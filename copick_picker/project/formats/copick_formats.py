"""What we use of copick's readers and writers of other programs' particle files.

Imported in one place: copick's logging resets the root logger.
"""

from copick_picker.project.guards import root_logging_kept

with root_logging_kept():
    from copick.util.formats import (
        build_relion_star_tables,
        read_dynamo_table,
        read_dynamo_tomolist,
        read_relion_tomograms,
        write_dynamo_table_grouped,
        write_picks_csv_grouped,
    )
    from copick.util.relion import relion_rows_to_poses

__all__ = [
    "build_relion_star_tables",
    "read_dynamo_table",
    "read_dynamo_tomolist",
    "read_relion_tomograms",
    "relion_rows_to_poses",
    "write_dynamo_table_grouped",
    "write_picks_csv_grouped",
]
