"""Fitting models: settings, loops, devices."""
