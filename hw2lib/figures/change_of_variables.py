"""Figures of chapter 1: densities before and after a change of variables."""

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

from hw2lib.symbolic import Density, Derivation

from . import style

_WORDS = {
    "fa": {
        "z": "مقدار z",
        "x": "مقدار x",
        "density": "چگالی",
        "base": "پیش از تبدیل",
        "result": "پس از تبدیل",
        "sample": "نمونه",
        "formula": "فرمول",
        "map": "نگاشت",
    },
    "en": {
        "z": "value of z",
        "x": "value of x",
        "density": "density",
        "base": "before",
        "result": "after",
        "sample": "sample",
        "formula": "formula",
        "map": "the map",
    },
}


def curve(density: Density, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """The density on its support, as arrays for plotting."""
    x = np.linspace(float(density.lower), float(density.upper), points)
    values = sp.lambdify(density.variable, density.expression, "numpy")(x)
    return x, np.broadcast_to(values, x.shape)


def density_with_sample(derivation: Derivation, base: Density, sample: np.ndarray, lang: str) -> Figure:
    """Base density, map, and derived density over a histogram of a sample."""
    words = _WORDS[lang]
    with style.language(lang):
        fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.7))
        z, p = curve(base)
        axes[0].fill_between(z, p, color=style.COLORS["light"], alpha=0.5)
        axes[0].plot(z, p, color=style.COLORS["train"])
        axes[0].set(title=words["base"], xlabel=words["z"], ylabel=words["density"], ylim=(0, None))
        forward = sp.lambdify(base.variable, derivation.forward, "numpy")
        axes[1].plot(z, forward(z), color=style.COLORS["reference"])
        for value in np.linspace(z[0], z[-1], 6):  # equal pieces of z, and where they go
            axes[1].plot(
                [value, value, z[0]],
                [forward(z[0]), forward(value), forward(value)],
                lw=0.8,
                color=style.COLORS["accent"],
            )
        axes[1].set(title=words["map"], xlabel=words["z"], ylabel=words["x"])
        x, q = curve(derivation.density)
        axes[2].hist(
            sample, bins=40, density=True, color=style.COLORS["light"], alpha=0.6, label=words["sample"]
        )
        axes[2].plot(x, q, color=style.COLORS["anomalous"], lw=2, label=words["formula"])
        axes[2].set(title=words["result"], xlabel=words["x"], ylim=(0, None))
        axes[2].legend()
        return style.finish(fig, lang)
