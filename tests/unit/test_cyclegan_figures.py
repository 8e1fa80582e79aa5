"""The figures of recorded CycleGAN runs: drawn from a run's files, in both languages."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from hw2lib.cyclegan import TERMS
from hw2lib.figures import cyclegan_runs as figures
from hw2lib.runs.folder import write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.runs.reader import RecordedCycleGAN
from hw2lib.translation.colour_statistics import COLOURS
from hw2lib.translation.steganography import PERTURBATIONS

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
        for p in PERTURBATIONS
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


@pytest.mark.parametrize("pair", figures.DOMAINS)
@pytest.mark.parametrize("lang", ["fa", "en"])
def test_every_figure_names_the_domains_of_its_edition(run, pair, lang):
    drawn = [
        figures.losses(run, pair, lang),
        figures.measures(run, pair, lang),
        figures.steganography(run, pair, lang),
        figures.colours(run, pair, lang),
    ]
    drawn.append(figures.contact_sheet(run, 2, pair, lang).figure)
    for fig in drawn:
        found = texts(fig)
        for name in figures.DOMAINS[pair][lang]:
            assert any(name in text for text in found)
        assert not any("$" in text and "mathdefault" not in text for text in found)


def test_a_sheet_is_shown_as_a_jpeg_of_its_size_in_full_colour(run):
    sheet = figures.contact_sheet(run, 2, "apple2orange", "en")
    picture = Image.open(io.BytesIO(sheet._repr_jpeg_()))
    width, height = sheet.figure.get_size_inches() * sheet.figure.dpi
    assert picture.format == "JPEG" and picture.size == (round(width), round(height))
    assert get_sampling(picture) == 0  # 4:4:4


def test_generated_images_are_called_so():
    images = {split: torch.zeros(7, 3, 8, 8, dtype=torch.uint8) for split in ("trainA", "trainB")}
    drawn = figures.raw_samples(images, "apple2orange", True, "en", columns=3)
    assert len(drawn.axes) == 6 and sum("generated" in text for text in texts(drawn)) == 2
    assert not any("generated" in t for t in texts(figures.raw_samples(images, "apple2orange", False, "en")))


def test_a_bar_is_divided_by_what_its_pixels_became(run):
    ax = figures.colours(run, "apple2orange", "en").axes[0]
    widths = {}
    for bars, after in zip(ax.containers, COLOURS, strict=True):
        for bar, before in zip(bars, COLOURS, strict=True):
            if bar.get_width() > 0:
                widths[before, after] = bar.get_width()
    assert widths == {
        ("red", "red"): 0.5,
        ("red", "orange"): 0.5,
        ("green", "green"): 1,
        ("dark", "green"): 1,
    }
    assert [t.get_text() for t in ax.get_yticklabels()][:2] == ["red 50%", "orange 0%"]


def test_disturbances_are_listed_from_the_undisturbed_on(run):
    fig = figures.steganography(run, "apple2orange", "en")
    for ax in fig.axes[2:]:
        low, high = ax.get_ylim()
        assert low > high  # the first name is on top on both sides
    labels = [label.get_text() for label in fig.axes[2].get_yticklabels()]
    assert labels[:3] == ["undisturbed", "rounding", "JPEG 95"] and labels[-1] == "blur 1"


def test_the_moving_average_keeps_length_and_level():
    values = np.arange(9.0)
    assert figures.moving_average(values, 3).tolist() == [0.5, 1, 2, 3, 4, 5, 6, 7, 7.5]
    assert np.allclose(figures.moving_average(np.full(5, 2.0), 101), 2)
