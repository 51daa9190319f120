"""Sampling, targets, losses and the training loop."""
