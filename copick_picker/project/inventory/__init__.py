"""What a project holds, listed without reading voxels."""
