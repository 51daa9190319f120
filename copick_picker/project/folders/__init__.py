"""Folders of our own beside a project: models, scores, trainings."""
