"""Heads: the meaning of a network's outputs, in training and inference."""
