"""Import of other programs' files into a project, and export."""
