"""Tables of chapters 11 and 12, and the words that their figures share."""

from collections.abc import Mapping

from hw2lib.bilingual import Column, Interval, Number, Shown, Text, localize, table
from hw2lib.runs.reader import RecordedCycleGAN, RecordedRun, paper_root
from hw2lib.statistics.intervals import Estimate
from hw2lib.statistics.oscillation import Oscillation
from hw2lib.statistics.trends import Trend

# The names of the two domains, by set.
DOMAINS = {
    "apple2orange": (Text("سیب", "apples"), Text("پرتقال", "oranges")),
    "summer2winter": (Text("تابستان", "summer"), Text("زمستان", "winter")),
}
COLOUR_NAMES = {
    "red": Text("سرخ", "red"),
    "orange": Text("نارنجی", "orange"),
    "yellow": Text("زرد", "yellow"),
    "green": Text("سبز", "green"),
    "blue": Text("آبی", "blue"),
    "pale": Text("روشن بی‌رنگ", "pale"),
    "grey": Text("خاکستری", "grey"),
    "dark": Text("تیره", "dark"),
}
LOSS_NAMES = {
    "cycle": Text("زیان چرخه‌ای", "cycle loss"),
    "D": Text("زیان تمیزدهنده", "discriminator loss"),
    "G": Text("زیان تخاصمی مولد", "generator loss"),
}
DIRECTION = Text("جهت", "direction")
_TRENDS = {
    "falls": Text("پایین می‌آید", "falls"),
    "rises": Text("بالا می‌رود", "rises"),
    "neither": Text("بی‌روند", "neither"),
}


def epoch_name(epoch: int) -> Text:
    """``epoch 20``, for a head, a row or a legend."""
    return Text(f"دور {localize(epoch, 'fa')}", f"epoch {epoch}")


def directions(pair: str) -> dict[str, Text]:
    """The two translations of a set by their letters in a recorded run: A → B is ``A``."""
    a, b = DOMAINS[pair]
    return {
        "A": Text(f"{a.fa} به {b.fa}", f"{a.en} to {b.en}"),
        "B": Text(f"{b.fa} به {a.fa}", f"{b.en} to {a.en}"),
    }


def counts_table(data: Mapping[str, int], pair: str) -> Shown:
    """How many images of each domain a run was trained and tested on.

    Args:
        data: the facts about its data that the run recorded.
        pair: ``apple2orange`` or ``summer2winter``.
    """
    return table(
        (
            (letter, name, data[f"train{letter}"], data[f"test{letter}"])
            for letter, name in zip("AB", DOMAINS[pair], strict=True)
        ),
        [
            Text("دامنه", "domain"),
            Text("تصاویر", "images"),
            Text("آموزش", "training"),
            Text("آزمون", "test"),
        ],
    )


def sheets_table(run: RecordedCycleGAN, pair: str) -> Shown:
    """The size of each sheet of outputs, and the share of all outputs that the judge takes for the target."""
    measures = run.measures.set_index("epoch")
    accepted = Text("پذیرفته در مقصد", "classified as target")
    heads = (Text(f"{accepted.fa}: {w.fa}", f"{accepted.en}: {w.en}") for w in directions(pair).values())
    rows = []
    for epoch in run.epochs:
        height, width = run.contact_sheet(epoch).shape[:2]
        shares = (measures.loc[epoch, f"success_{d}"] for d in "AB")
        rows.append((epoch, rf"${height} \times {width}$", *shares))
    return table(
        rows, [Text("دور", "epoch"), Text("خروجی در برگه", "outputs"), *(Column(h, ".0%") for h in heads)]
    )


def measures_table(run: RecordedCycleGAN, pair: str, direction: str) -> Shown:
    """The six measures of a direction, between those of untranslated images and of real ones of the target.

    Args:
        run: a recorded run.
        pair: ``apple2orange`` or ``summer2winter``.
        direction: ``A`` for A → B, or ``B``.
    """
    names: dict[int | str, Text] = {epoch: epoch_name(epoch) for epoch in run.epochs}
    names |= {
        "source": Text("ترجمه‌نشده", "untranslated"),
        "real": Text("تصویر واقعی مقصد", "real target"),
    }
    return table(
        ((names[images], *values) for images, *values in run.measures_of(direction).itertuples()),
        [
            directions(pair)[direction],
            Column(Text("پذیرفته", "success"), ".1%"),
            Column(Text("فاصلهٔ رنگ", "colour"), ".2f"),
            Column(Text("فاصلهٔ هسته‌ای", "kernel"), ".4f"),
            Column("PSNR", ".1f", "dB"),
            Column("SSIM", ".3f"),
            Column(Text("همانی", "identity"), ".3f"),
        ],
    )


def trends_table(trends: Mapping[str, tuple[Trend, Trend]], pair: str) -> Shown:
    """Kendall's τ of each loss with the step: over the whole training and over its second half.

    Args:
        trends: by loss, such as ``cycle_A``; from :meth:`~hw2lib.runs.reader.RecordedRun.loss_trends`.
        pair: ``apple2orange`` or ``summer2winter``.
    """

    def cells(trend: Trend) -> tuple[Interval, Text]:
        return trend.shown(), _TRENDS[trend.direction]

    rows = []
    for term, (whole, second) in trends.items():
        role, direction = term.split("_")
        rows.append((LOSS_NAMES[role], directions(pair)[direction], *cells(whole), *cells(second)))
    return table(
        rows,
        [
            Text("زیان", "loss"),
            DIRECTION,
            Text(r"$\tau$ کل", r"$\tau$, whole"),
            Text("روند کل", "trend"),
            Text(r"$\tau$ نیمهٔ دوم", r"$\tau$, second half"),
            Text("روند نیمهٔ دوم", "trend of the second half"),
        ],
    )


def oscillations_table(found: Mapping[str, Oscillation], pair: str) -> Shown:
    """Turns of each smoothed loss beside those of noise of its colour.

    Args:
        found: by loss, such as ``G_A``; from :meth:`~hw2lib.runs.reader.RecordedRun.loss_oscillations`.
        pair: ``apple2orange`` or ``summer2winter``.
    """
    rows = []
    for term, each in found.items():
        role, direction = term.split("_")
        cells = each.width, each.turns, each.expected, each.p_value, each.oscillates
        rows.append((LOSS_NAMES[role], directions(pair)[direction], *cells))
    return table(
        rows,
        [
            Text("زیان", "loss"),
            DIRECTION,
            Text("پهنای هموارسازی", "width of smoothing"),
            Text("چرخش‌ها", "turns"),
            Column(Text("در نویز", "in noise"), ".0f"),
            Column("$p$", ".1f"),
            Column(
                Text("نتیجه", "result"),
                true=Text("نوسان می‌کند", "oscillates"),
                false=Text("بی‌نوسان", "no oscillation"),
            ),
        ],
    )


def grids_table(run: RecordedCycleGAN, pair: str) -> Shown:
    """How far grids of two and of four pixels stand out (book: eq-grid-excess) in photographs and outputs.

    Args:
        run: a recorded run, whose sheets are measured.
        pair: ``apple2orange`` or ``summer2winter``; its test photographs were measured by a job of their own.
    """
    photographs = RecordedRun(paper_root() / "photographs-grid").metrics[pair]
    rows = []
    for letter, name in zip("AB", DOMAINS[pair], strict=True):
        title = Text(f"عکس‌های {name.fa}", f"photographs of {name.en}")
        rows.append((title, *(Estimate(**photographs[letter][k]).shown() for k in "24")))
    rows += [(epoch_name(e), *(Number(run.grid_excess(e, k), ".2f") for k in (2, 4))) for e in run.epochs]
    return table(
        rows,
        [
            Text("تصاویر", "images"),
            Text("دورهٔ دو پیکسل، $g_2$", "period of two pixels, $g_2$"),
            Text("دورهٔ چهار پیکسل، $g_4$", "period of four pixels, $g_4$"),
        ],
    )
