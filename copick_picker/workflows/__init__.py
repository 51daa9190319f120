"""Read, compute, write: one module a command, over every run of a project."""
