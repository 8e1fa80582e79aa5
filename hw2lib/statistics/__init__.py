"""Tests of what a recorded series shows."""
