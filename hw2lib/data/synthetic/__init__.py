"""Synthetic sets in the official layouts: capsules, fruit, and scenes of two seasons."""
