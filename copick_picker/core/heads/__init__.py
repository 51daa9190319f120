"""Heads: what a network's outputs mean, in training and in use."""
