"""Figures of chapter 6: what the remedies of likelihood on pixels change, seed by seed."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from hw2lib.bilingual import Text, Words
from hw2lib.runs.reader import RecordedRun

from . import style

SCORES: dict[str, Words] = {
    "typicality": Text("فاصله از مقدار معمول", "typicality"),
    "complexity": Text("منهای طول پروندهٔ PNG", "less the PNG's length"),
    "ratio": Text("نسبت به مدل پس‌زمینه", "ratio to the background"),
    "additive": Text("جریان جمعی", "additive flow"),
    "map_maximum": Text("بیشینهٔ نقشه", "maximum of the map"),
    "map_top": Text("یک درصد بالای نقشه", "top 1 % of the map"),
}
BESIDE: dict[str, Words] = {
    "jpeg2000": Text("منهای طول پروندهٔ JPEG ۲۰۰۰", "less the JPEG 2000's length"),
    "bound": Text("کران واکوانتش", "dequantization bound"),
}
_LABEL = Text("اختلاف AUROC با درست‌نمایی ساده", "AUROC less that of plain likelihood")


@style.bilingual
def remedies(runs: Sequence[RecordedRun], lang: str) -> Figure:
    """Of each score, the AUROC less that of plain −log p: a row per score, a mark with interval per seed."""
    names = style.localized(SCORES | BESIDE, lang)
    fig, ax = plt.subplots(figsize=(7.2, 4.2))
    ax.axvline(0, color=style.COLORS["reference"], lw=1, ls=":")
    for y, name in enumerate(names):
        for k, run in enumerate(runs):
            found = run.metrics["scores"][name]["against_plain"]["difference"]
            place = y + 0.13 * (k - (len(runs) - 1) / 2)
            color = style.COLORS["train" if name in SCORES else "plain"]
            style.interval(ax, found["low"], found["high"], place, color=color, lw=2, alpha=0.35)
            ax.plot(found["value"], place, "o", color=color, ms=3.5)
    ax.set_yticks(range(len(names)), names.values())
    ax.invert_yaxis()
    ax.set_xlabel(style.digits(_LABEL, lang))
    return fig
