"""Masked autoregressive flows and CycleGAN: the library behind the book."""

from .caches import use_writable_caches

__version__ = "0.1.0"

use_writable_caches()
