"""The figures of recorded CycleGAN runs: drawn from a run's files, in both languages."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from hw2lib.bilingual import localize
from hw2lib.cyclegan import TERMS
from hw2lib.figures import cyclegan_runs as figures
from hw2lib.figures import cyclegan_tables as tables
from hw2lib.runs.folder import write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.runs.reader import RecordedCycleGAN
from hw2lib.statistics.trends import Trend
from hw2lib.translation.colour_statistics import COLOURS
from hw2lib.translation.steganography import OCTAVES, PERTURBATIONS

MEASURES = ("success", "colour", "classifier_kid", "cycle_psnr", "cycle_ssim", "identity_l1")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    write_json(out / "config.json", {"seed": 0, "size": 8})
    rows = [
        {"epoch": 1 + k // 30, "step": k + 1} | dict.fromkeys(TERMS, float(rng.random())) for k in range(60)
    ]
    write_csv(out / "losses.csv", rows)
    values = {f"{m}_{d}": 0.5 for m in MEASURES for d in "AB"}
    hidden = [
        {
            "epoch": e,
            "direction": d,
            "kind": p.kind,
            "level": p.level,
            "size": 0.8 * p.level,
            "moved": p.level,
            "error": 9.0,
        }
        for e in (1, 2)
        for d in "AB"
        for p in (*PERTURBATIONS, *OCTAVES)
    ]
    test = [{"epoch": e} | values for e in (1, 2)]
    translation = {"epochs": test, "reference": {"source": values, "real": values}}
    colours = [
        {"epoch": e, "direction": d, "before": before, "after": after, "share": 0.25}
        for e in (1, 2)
        for d in "AB"
        for before, after in (("red", "red"), ("red", "orange"), ("green", "green"), ("dark", "green"))
    ]
    metrics = {"test": test, "translation": translation, "colours": colours, "steganography": hidden}
    write_json(out / "metrics.json", metrics)
    save_grid(out / "epoch-02.png", torch.zeros(24, 3, 8, 8, dtype=torch.uint8), columns=6)
    return RecordedCycleGAN(out)


def texts(fig):
    return [text.get_text() for text in fig.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.mark.parametrize("pair", tables.DOMAINS)
@pytest.mark.parametrize("lang", ["fa", "en"])
def test_every_figure_names_the_domains_of_its_edition(run, pair, lang):
    drawn = [
        figures.losses(run, pair, lang=lang),
        figures.measures(run, pair, lang=lang),
        figures.steganography(run, pair, lang=lang),
        figures.colours(run, pair, lang=lang),
        figures.contact_sheet(run, 2, pair, lang=lang),
    ]
    for fig in drawn:
        found = texts(fig)
        for name in tables.DOMAINS[pair]:
            assert any(localize(name, lang) in text for text in found)
        assert not any("$" in text and "mathdefault" not in text for text in found)


def test_a_sheet_is_shown_as_a_jpeg_of_its_size_in_full_colour(run):
    shown = figures.contact_sheet(run, 2, "apple2orange")
    picture = Image.open(io.BytesIO(shown.images["en"]))
    figure = figures.contact_sheet(run, 2, "apple2orange", lang="en")
    width, height = figure.get_size_inches() * figure.dpi
    assert shown.mime == "image/jpeg"
    assert picture.format == "JPEG" and picture.size == (round(width), round(height))
    assert get_sampling(picture) == 0  # 4:4:4


def test_generated_images_are_called_so():
    images = {split: torch.zeros(7, 3, 8, 8, dtype=torch.uint8) for split in ("trainA", "trainB")}
    drawn = [
        figures.raw_samples(images, "apple2orange", synthetic, columns=3, lang="en")
        for synthetic in (True, False)
    ]
    assert [sum("generated" in text for text in texts(fig)) for fig in drawn] == [2, 0]
    assert len(drawn[0].axes) == 6


def test_a_row_is_divided_by_what_its_pixels_became(run):
    ax = figures.colours(run, "apple2orange", lang="en").axes[0]
    shown = ax.collections[0].get_array().reshape(len(COLOURS), len(COLOURS))
    shares = {(COLOURS[i], COLOURS[j]): shown[i, j] for i, j in np.argwhere(shown > 0)}
    assert shares == {
        ("red", "red"): 0.5,
        ("red", "orange"): 0.5,
        ("green", "green"): 1,
        ("dark", "green"): 1,
    }
    assert [t.get_text() for t in ax.get_yticklabels()][:2] == ["red 50%", "orange 0%"]


def test_disturbances_are_listed_from_the_undisturbed_on(run):
    fig = figures.steganography(run, "apple2orange", lang="en")
    for ax in fig.axes[2:]:
        low, high = ax.get_ylim()
        assert low > high  # the first name is on top on both sides
    labels = [label.get_text() for label in fig.axes[2].get_yticklabels()]
    assert labels[:3] == ["undisturbed", "rounding", "JPEG 95"] and labels[-1] == "blur 1"


def test_the_lines_under_noise_are_of_the_epochs_and_of_the_noise_itself(run):
    ax = figures.steganography(run, "apple2orange", lang="en").axes[0]
    named = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    assert list(named) == ["epoch 1", "epoch 2", "size of the disturbance itself"]
    sizes = named["size of the disturbance itself"]
    assert sizes.get_ydata() == pytest.approx(0.8 * sizes.get_xdata()) and len(sizes.get_xdata()) == 6


def test_the_measures_stand_between_their_references(run):
    lines = tables.measures_table(run, "apple2orange", "B").plain.splitlines()
    assert lines[0].startswith("oranges to apples")
    assert [line.split("50.0%")[0].strip() for line in lines[1:]] == [
        "untranslated",
        "epoch 1",
        "epoch 2",
        "real target",
    ]
    fa = tables.measures_table(run, "apple2orange", "B").markdown.fa
    assert "پرتقال به سیب" in fa and "دور ۲" in fa and "۰٫۵۰۰" in fa


def test_trends_are_named_by_loss_and_direction():
    falls, none = Trend(-0.5, -0.6, -0.4, None), Trend(0.0, -0.1, 0.1, None)
    shown = tables.trends_table({"cycle_A": (falls, none)}, "summer2winter")
    row = " ".join(shown.plain.splitlines()[1].split())
    assert row == "cycle loss summer to winter −0.50 (−0.60 to −0.40) falls +0.00 (−0.10 to +0.10) neither"
    assert "پایین می‌آید" in shown.markdown.fa and "تابستان به زمستان" in shown.markdown.fa
