"""Thin command-line layer: one file a command."""
