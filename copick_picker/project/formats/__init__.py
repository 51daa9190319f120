"""Readers and writers of files of other programs."""
