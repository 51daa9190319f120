"""Other programs' files into a project, and out of it."""
