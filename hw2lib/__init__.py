"""Masked autoregressive flows and CycleGAN: the library behind the book."""

__version__ = "0.1.0"
