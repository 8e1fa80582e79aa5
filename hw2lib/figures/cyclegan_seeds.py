"""Tables and figures of the smaller runs: seeds beside a run at full size, and runs that lack a part."""

from collections.abc import Hashable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from hw2lib.bilingual import Column, Interval, Number, Shown, Text, localize, table
from hw2lib.runs.ablations import DIRECTIONS, SEEDS, VARIANTS, Ablations
from hw2lib.runs.margins import Margin
from hw2lib.runs.messages import NOTHING, GreenMessage
from hw2lib.runs.precision import Held
from hw2lib.runs.reader import RecordedCycleGAN
from hw2lib.translation.leaves import kept_by_kind

from . import style
from .cyclegan_runs import sheet
from .cyclegan_tables import directions

FULL_SIZE, MEAN = Text("اندازهٔ کامل", "full size"), Text("میانگین", "mean")
_COMPARED = {
    "accepted_1": Text("دور ۱: سهم پذیرفته", "epoch 1: share accepted"),
    "changed": Text("تغییر دور ۱ تقسیم بر دور ۲۰", "change at epoch 1 over epoch 20"),
    "grid_2": Text("دور ۱: توری $g_2$", "epoch 1: grid $g_2$"),
    "photographs_2": Text("دور ۱: $g_2$ عکس‌ها تقسیم بر آن", "epoch 1: $g_2$ of photographs over it"),
    "grid_4": Text("دور ۱: توری $g_4$", "epoch 1: grid $g_4$"),
    "photographs_4": Text("دور ۱: $g_4$ عکس‌ها تقسیم بر آن", "epoch 1: $g_4$ of photographs over it"),
    "painted": Text("دور ۱: پیرامونی که رنگش عوض می‌شود", "epoch 1: surroundings that change colour"),
    "painted_on": Text(
        "پیرامونی که رنگش عوض می‌شود، دور ۲۰ تقسیم بر دور ۱",
        "surroundings that change colour, epoch 20 over epoch 1",
    ),
    "orange_10": Text("دور ۱۰: سرخ سیب به نارنجی یا زرد", "epoch 10: red of apples to orange or yellow"),
    "red_10": Text("دور ۱۰: نارنجی پرتقال به سرخ", "epoch 10: orange of oranges to red"),
    "orange_20": Text("دور ۲۰: سرخ سیب به نارنجی یا زرد", "epoch 20: red of apples to orange or yellow"),
    "accepted_20": Text("دور ۲۰: سهم پذیرفته", "epoch 20: share accepted"),
    "white": Text("سبز به روشن بی‌رنگ", "green to pale"),
    "colourless": Text("سبز به روشن یا خاکستری", "green to pale or grey"),
    "green_over_blue": Text("سبز مانده تقسیم بر آبی مانده", "green kept over blue kept"),
    "leaves": Text("دور ۲۰: سبز برگ که سبز می‌ماند", "epoch 20: green of leaves that stays"),
    "filtered": Text("سهم جنگل‌هایی که یک فیلتر تغییرشان را توضیح می‌دهد", "forests that got one filter"),
    "gain": Text("بهره برای نویزی به اندازهٔ دو سطح", "gain to noise of two levels"),
    "growth": Text("افزایش خطا با نویز یا گرد کردن", "growth of the error by noise or rounding"),
}
_KINDS = {
    "leaves": Text("تنها برگ و ساقه", "leaves and stems alone"),
    "apples": Text("تنها سیب", "apples alone"),
    "both": Text("هر دو", "both"),
    "neither": Text("هیچ‌کدام", "neither"),
    "unsure": Text("دو بیننده هم‌نظر نبودند", "the two readers disagreed"),
}
_TAKEN = {
    "noise": Text("هیچ", "none"),  # of level 0
    "grey": Text("حذف همهٔ رنگ", "all colour taken away"),
    "swap": Text("رنگ‌های تصویری دیگر به‌جای رنگ‌ها", "colours of another image"),
    "blur": Text("تار کردن یک‌پیکسلی", "blur of one pixel"),
    "jpeg": Text("JPEG با کیفیت ۵۰", "JPEG 50"),
}
_VARIANTS = {
    "identity-0": Text("بدون زیان همانی", "without identity loss"),
    "cycle-0": Text("بدون زیان چرخه‌ای", "without cycle loss"),
    "cycle-and-identity-0": Text("بدون هر دو", "without both"),
    "pool-0": Text("بدون بافر", "without the pool"),
    "resize": Text("با تغییر اندازه", "with resize convolution"),
}
_TABLE = Text("جدول گزارش", "the report's table")
_BACK = Text("، بازگشت", ", back")
_MEASURED = {
    "filter": Text("سهم یک فیلتر", "share of one filter"),
    "shape": Text("شباهت با ورودی (SSIM)", "similarity to the input (SSIM)"),
    "back": Text("بازگشت: PSNR (dB)", "way back: PSNR (dB)"),
    "spread": Text("پراکندگی خروجی", "spread of the outputs"),
}


def seed_name(seed: int) -> Text:
    """``seed 1``, for a head or a row."""
    return Text(f"بذر {localize(seed, 'fa')}", f"seed {seed}")


def seed_heads(format: str = ".2f") -> list[Column]:
    """Heads of three columns, one per seed."""
    return [Column(seed_name(seed), format) for seed in SEEDS]


def by_seed(runs: Sequence[RecordedCycleGAN]) -> dict[Text, RecordedCycleGAN]:
    """Runs that differ in their seed alone, by it."""
    return {seed_name(run.seed): run for run in runs}


def margins_table(found: Mapping[str, Margin], value: Text = FULL_SIZE) -> Shown:
    """Each comparison, what a seed moves it by, and whether that settles it.

    Args:
        found: by the name of the comparison.
        value: what its values are of, :data:`FULL_SIZE` or :data:`MEAN`.
    """
    return table(
        (
            (_COMPARED[name], m.value, Number(m.threshold, "g"), *m.seeds, m.moved, m.settled)
            for name, m in found.items()
        ),
        [
            Text("سنجش", "comparison"),
            Column(value, ".2f"),
            Text("آستانه", "threshold"),
            *seed_heads(),
            Column(Text("تغییر با بذر", "moved by a seed"), ".2f"),
            Column(
                Text("نتیجه", "result"),
                true=Text("قطعی", "settled"),
                false=Text("وابسته به بذر", "depends on the seed"),
            ),
        ],
    )


def precision_table(held: Mapping[Hashable, Held], pair: str) -> Shown:
    """Each value of the run in 32 bits beside the range of the seeds, and what the rule finds of it."""
    names: dict[Hashable, Text] = {**_COMPARED} | {
        (measure, direction): Text(f"{name.fa}، {way.fa}", f"{name.en}, {way.en}")
        for measure, name in _MEASURED.items()
        for direction, way in directions(pair).items()
    }
    none = Text("–", "–")
    return table(
        (
            (
                names[name],
                each.value,
                Interval(min(each.seeds), max(each.seeds), ".2f"),
                none if each.threshold is None else Number(each.threshold, "g"),
                each.outside,
                none if each.threshold is None else each.turned,
            )
            for name, each in held.items()
        ),
        [
            Text("سنجش", "comparison"),
            Column(Text("۳۲ بیت", "32 bits"), ".2f"),
            Text("سه بذر با ۱۶ بیت", "three seeds in 16 bits"),
            Text("آستانه", "threshold"),
            Text("بیرون از گسترهٔ سه‌برابر", "outside the widened range"),
            Text("در سوی دیگر آستانه", "on the threshold's other side"),
        ],
    )


def leaves_table(runs: Sequence[RecordedCycleGAN]) -> Shown:
    """Of the green of test apples, by what it is to an eye, the share that stays green, by seed."""
    found = [kept_by_kind(run.last_translations("A")) for run in runs]
    return table(
        (
            (name, int(found[0].loc[kind, "images"]), *(float(each.loc[kind, "kept"]) for each in found))
            for kind, name in _KINDS.items()
        ),
        [
            Text("سبز عکس", "the green of a photograph is"),
            Text("عکس‌ها", "photographs"),
            *seed_heads(".0%"),
        ],
    )


def messages_table(found: Sequence[GreenMessage]) -> Shown:
    """Of the green that G took away, the share that comes back as something is taken from G(x); by seed."""
    rows = []
    for kind, taken in _TAKEN.items():
        place = NOTHING if kind == NOTHING[0] else kind
        cells: list[Number | None] = []
        for message in found:
            if message.rows.empty:
                cells += [None, None]
            else:
                row = message.rows.loc[place].squeeze()
                cells += [Number(row["share"], ".0%"), Number(row["size"], ".1f")]
        rows.append((taken, *cells))
    heads = [Text("آشفتگی", "perturbation")]
    for name in map(seed_name, range(len(found))):
        heads.append(Text(f"{name.fa}: سبز بازگشته", f"{name.en}: green again"))
        heads.append(Text(f"{name.fa}: تغییر (سطح)", f"{name.en}: change (levels)"))
    return table(rows, heads)


def octaves_table(runs: Sequence[RecordedCycleGAN]) -> Shown:
    """The gain of the way back to noise of one octave of frequencies, from summer to winter; by seed."""
    by_run = [run.last_steganography("A")["gain"] for run in runs]
    rows = []
    for octave in range(1, 6):
        gains = (float(gain["octave", octave]) for gain in by_run)
        ends = 2**octave, 2 ** (octave + 1)
        fa, en = (tuple(localize(end, lang) for end in ends) for lang in ("fa", "en"))
        rows.append((Text(f"{fa[0]} تا {fa[1]}", f"{en[0]} to {en[1]}"), *gains))
    return table(rows, [Text("دورهٔ تناوب نویز (پیکسل)", "period of the noise (pixels)"), *seed_heads()])


@style.bilingual
def ablations(runs: Ablations, pair: str, lang: str) -> Figure:
    """Four measures of the last epoch, a row per run, a mark per direction.

    The bands hold the three seeds of the table, and the lines within them are the seed of the others.
    """
    names = [localize(_VARIANTS[name], lang) for name in VARIANTS]
    colors = [style.COLORS[role] for role in ("anomalous", "train")]
    fig, axes = plt.subplots(2, 2, figsize=(8.6, 5.4), sharey=True)
    for ax, (measure, title) in zip(axes.flat, _MEASURED.items(), strict=True):
        for k, (direction, color, mark) in enumerate(zip(DIRECTIONS, colors, "os", strict=True)):
            seeds = runs.of_the_table(measure, direction)
            ax.axvspan(seeds.min(), seeds.max(), color=color, alpha=0.18, lw=0)
            ax.axvline(seeds[0], color=color, lw=1, ls="--")
            values = [runs.of(name, measure, direction) for name in VARIANTS]
            look = {"color": color, "label": localize(directions(pair)[direction], lang)}
            ax.plot(values, np.arange(len(names)) + 0.12 * (2 * k - 1), mark, ms=6, **look)
        ax.set(title=localize(title, lang), yticks=range(len(names)), yticklabels=names)
    axes[0, 0].invert_yaxis()
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def by_part(runs: Ablations) -> dict[Text, RecordedCycleGAN]:
    """The first run of the table and those that lack a part, by what they are called."""
    return {_TABLE: runs.table[0]} | {_VARIANTS[name]: run for name, run in runs.variants.items()}


@style.bilingual(photographs=True)
def same_images(
    runs: Mapping[Text, RecordedCycleGAN], direction: str, lang: str, back: bool = False
) -> Figure:
    """What the last epoch of each run made of the same six test images of one domain, a row per run.

    With ``back``, the way back is below each row. The pictures have their own size, which keeps a page light.
    """
    rows = [(name, run, way) for name, run in runs.items() for way in (False, True)[: 1 + back]]
    pictures = [run.last_samples(direction, way) for _, run, way in rows]
    names = [localize(name, lang) + way * localize(_BACK, lang) for name, _, way in rows]
    return sheet(np.stack(pictures), names, shown=pictures[0].shape[1])
