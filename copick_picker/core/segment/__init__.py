"""Tomogram to probability volumes: windows, blending, test-time augmentation."""
