"""Linking picks into filaments."""
