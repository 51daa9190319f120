"""Masks that other commands take."""
