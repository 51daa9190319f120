"""Segmentations to picks, and picks to fewer picks."""
