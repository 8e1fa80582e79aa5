"""Figures of the front page: all verdicts by kind, and one picture for each of the report's two questions."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from hw2lib.bilingual import Number, Text, localize
from hw2lib.claims import (
    BOOKKEEPING,
    SUBJECTS,
    VERDICT_NAMES,
    ClaimResult,
    Verdict,
    count_verdicts,
    is_bookkeeping,
    subject,
)
from hw2lib.runs.margins import small_runs
from hw2lib.runs.reader import RecordedRun, marked_run, paper_run, paper_runs

from . import style
from .anomaly import METHODS
from .cyclegan_runs import translations

# As the claims' boxes have them in book.css.
_COLORS = {
    Verdict.HOLDS: "#009E73",
    Verdict.CORRECTED: "#E0B000",
    Verdict.DEPENDS: "#0072B2",
    Verdict.FAILS: "#D55E00",
    None: "#CCCCCC",  # bookkeeping, which has none
}
_BLACK = (Verdict.CORRECTED, None)  # numbers on these; white on the others
_CLAIMS = Text("شمار ادعاها", "number of claims")
_AUROC = Text(
    "مقدار AUROC روی کپسول‌های واقعی، با بازهٔ ۹۵ درصدی", "AUROC on real capsules, with the 95% interval"
)
_SEED = Text("جریان، بذر {}", "flow, seed {}")
_LOCAL: dict[str, Text] = {
    "maf": Text("جریان روی ویژگی‌های محلی", "flow on local features"),
    "neighbours": Text("همسایه روی ویژگی‌های محلی", "neighbour on local features"),
}
_PRINTED = Text("مقدارهای گزارش", "values of the report")
_CHANCE = Text("شانس", "chance")
PRINTED_AUROC = (0.78, 0.67)  # two places of the report name these for one model


@style.bilingual
def verdicts(entries: Sequence[Mapping[str, Any]], results: Mapping[str, ClaimResult], lang: str) -> Figure:
    """How many claims of each kind came to which verdict, as bars end to end; bookkeeping is grey.

    Args:
        entries: the ledger's.
        results: of the claims by their id.
        lang: ``fa`` or ``en``.
    """
    counts = Counter(
        (subject(entry["id"]), None if is_bookkeeping(entry) else results[entry["id"]].verdict)
        for entry in entries
    )
    names = [localize(name, lang) for name in SUBJECTS.values()]
    left = np.zeros(len(SUBJECTS))
    fig, ax = plt.subplots(figsize=(7.6, 3.3))
    for verdict, color in _COLORS.items():
        widths = np.array([counts[about, verdict] for about in SUBJECTS])
        label = localize(VERDICT_NAMES[verdict] if verdict else BOOKKEEPING, lang)
        bars = ax.barh(names, widths, left=left, color=color, edgecolor="white", label=label)
        shown = [style.digits(n, lang) if n else "" for n in widths]
        color = "black" if verdict in _BLACK else "white"
        ax.bar_label(bars, shown, label_type="center", color=color, fontweight="bold")
        left += widths
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(localize(_CLAIMS, lang))
    fig.legend(loc="outside upper center", ncols=5)
    return fig


@style.bilingual
def detection(
    flows: Sequence[RecordedRun], baselines: RecordedRun, local: Sequence[RecordedRun], lang: str
) -> Figure:
    """Image AUROC of every seed of the flow, of the cheap baselines and of densities of local features.

    Beside them stand the report's two values. Of the local densities all seeds stand in one row, with the
    interval of the first.

    Args:
        flows: recorded runs of the flow; the averaged weights are shown.
        baselines: the recorded run of the baselines.
        local: recorded runs of the local detector.
        lang: ``fa`` or ``en``.
    """
    seed = localize(_SEED, lang)
    rows = [
        (seed.format(style.digits(f.seed, lang)), f.metrics["ema"]["auroc"]["all"], "train") for f in flows
    ]
    rows += [
        (localize(METHODS[name], lang), found["auroc"]["all"], "generator")
        for name, found in baselines.metrics.items()
    ]
    rows += [
        (localize(words, lang), local[0].metrics[method]["auroc"]["all"], "good")
        for method, words in _LOCAL.items()
    ]
    fig, ax = plt.subplots(figsize=(7.6, 4.0))
    for y, (_, area, color) in enumerate(rows):
        style.interval(ax, area["low"], area["high"], y, color=style.COLORS[color], lw=6, alpha=0.35)
        ax.plot(area["value"], y, "o", color=style.COLORS[color], ms=6)
    for y, method in enumerate(_LOCAL, len(rows) - len(_LOCAL)):
        seeds = [run.metrics[method]["auroc"]["all"]["value"] for run in local]
        ax.plot(seeds, [y] * len(seeds), "o", color=style.COLORS["good"], ms=4)
    for k, value in enumerate(PRINTED_AUROC):
        label = localize(_PRINTED, lang) if k == 0 else None
        ax.axvline(value, color=style.COLORS["anomalous"], lw=1.2, ls="--", label=label)
    ax.axvline(0.5, color=style.COLORS["reference"], lw=1, ls=":", label=localize(_CHANCE, lang))
    ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    ax.set(xlabel=localize(_AUROC, lang), xlim=(0.35, 1.01))
    ax.invert_yaxis()
    fig.legend(loc="outside upper center", ncols=2)
    return fig


def overview(
    entries: Sequence[Mapping[str, Any]], results: Mapping[str, ClaimResult]
) -> dict[str, tuple[Callable[[], Any], Text]]:
    """The front page's figures by name: what draws each, and its caption with the numbers it shows.

    Args:
        entries: the ledger's.
        results: of the claims by their id.
    """
    flows, baselines = paper_runs("maf-capsule"), paper_runs("baselines-capsule")[0]
    local = paper_runs("local-capsule-256")
    pairs = {
        "apple2orange": marked_run("cyclegan-apple2orange"),
        "summer2winter": paper_run("cyclegan-summer2winter"),
    }
    counts = {verdict.name.lower(): n for verdict, n in count_verdicts(entries, results).items()}
    areas = [flow.metrics["ema"]["auroc"]["all"] for flow in flows]
    values = [area["value"] for area in areas]
    best = max(found["auroc"]["all"]["value"] for found in baselines.metrics.values())
    small = small_runs(pairs["apple2orange"])
    ways = {"red": ("red", "orange", "yellow"), "green": ("green", "green")}
    colour = {
        name: float(np.mean([run.colour_share(run.epochs[-1], "A", *way) for run in small]))
        for name, way in ways.items()
    }
    return {
        "verdicts": (
            lambda: verdicts(entries, results),
            _caption(
                "حکم {all} ادعای گزارش، به تفکیک موضوع: {holds} ادعا برقرار است، {corrected} ادعا "
                "با یک اصلاح برقرار است، {depends} ادعا بستگی دارد و {fails} ادعا برقرار نیست. "
                "{listed} ردیف ثبتی (خاکستری) حکم ندارد.",
                "Verdicts on {all} claims of the report by kind: {holds} hold, {corrected} hold with a "
                "correction, {depends} depend and {fails} do not hold. {listed} rows are bookkeeping (grey) "
                "and have no verdict.",
                **counts | {"all": sum(counts.values()), "listed": sum(map(is_bookkeeping, entries))},
            ),
        ),
        "detection": (
            lambda: detection(flows, baselines, local),
            _caption(
                "مقدار AUROC هر بذر جریان (آبی)، سه مبنای ارزان (نارنجی) و دو چگالی ویژگی‌های محلی (سبز) روی "
                "کپسول‌های واقعی: میانگین بذرهای جریان {mean} است، بهترین مبنا {best}، همان جریان روی "
                "ویژگی‌های محلی {maf} و نزدیک‌ترین همسایه {neighbour}. نوارها بازهٔ ۹۵ درصدی‌اند، از {low} تا "
                "{high} برای جریان روی پیکسل‌ها.",
                "AUROC of each seed of the flow (blue), of three cheap baselines (orange) and of two "
                "densities of local features (green) on real capsules: the mean of the flow’s seeds is "
                "{mean}, the best baseline has {best}, the same flow on local features {maf} and the nearest "
                "neighbour {neighbour}. Bars are 95% intervals, from {low} to {high} for the flow on pixels.",
                **{
                    name: Number(
                        float(np.mean([run.metrics[method]["auroc"]["all"]["value"] for run in local])), ".2f"
                    )
                    for name, method in (("maf", "maf"), ("neighbour", "neighbours"))
                },
                mean=Number(float(np.mean(values)), ".2f"),
                best=Number(best, ".2f"),
                low=Number(min(area["low"] for area in areas), ".2f"),
                high=Number(max(area["high"] for area in areas), ".2f"),
            ),
        ),
        "translation": (
            lambda: translations(pairs),
            _caption(
                "خروجی مولدها پس از دور آخر، از تصاویر آزمون هر دو مجموعه. کد اجرای سیب و پرتقال در git ثبت "
                "نشده است و این اجرا در حکم نقشی ندارد. در سه اجرای کوچک‌تر سیب و پرتقال، که در تصویر نیستند، "
                "به‌طور میانگین {red} پیکسل‌های سرخ سیب‌ها نارنجی یا زرد می‌شود و {green} پیکسل‌های سبز، سبز "
                "می‌ماند.",
                "Outputs of the generators after the last epoch, from test images of both sets. The run of "
                "apples and oranges comes from uncommitted code and has no part in the verdicts. In three "
                "smaller runs of them, not pictured, {red} of the red pixels of apples turn orange or yellow "
                "and {green} of the green ones stay green on average.",
                **{name: Number(share, ".0%") for name, share in colour.items()},
            ),
        ),
    }


def _caption(fa: str, en: str, **values: int | Number) -> Text:
    """A sentence of both languages with its places filled."""
    shown = {
        lang: text.format(**{name: localize(value, lang) for name, value in values.items()})
        for lang, text in (("fa", fa), ("en", en))
    }
    return Text(**shown)
