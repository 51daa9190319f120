"""Linking of points to tracks and filaments: candidates, scores, an exact solution, second pass."""
