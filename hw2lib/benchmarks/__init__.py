"""Measurements: always ratios between things timed in turn within one run."""
