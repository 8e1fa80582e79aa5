"""The front page's figures and captions say what ledger and records say, in both languages."""

import pytest

from hw2lib.bilingual import localize
from hw2lib.claims import SUBJECTS, ClaimResult, Verdict, load_ledger, results, subject
from hw2lib.figures import overview as figures
from hw2lib.runs.reader import paper_runs

CLAIMS = {
    id: ClaimResult(id, verdict)
    for id, verdict in {
        "T1.1a": Verdict.HOLDS,
        "T1.1b": Verdict.FAILS,
        "Tab1.1": Verdict.CORRECTED,
        "C1.8": Verdict.DEPENDS,
        "F2.1-3": Verdict.HOLDS,
    }.items()
}
ENTRIES = [{"id": id} | ({"kind": "bookkeeping"} if id == "F2.1-3" else {}) for id in CLAIMS]


def test_every_claim_has_a_subject():
    assert {subject(entry["id"]) for entry in load_ledger()} == SUBJECTS.keys()
    assert [subject(id) for id in CLAIMS] == ["T", "T", "Tab", "C", "F"]


@pytest.mark.parametrize(("lang", "one"), [("fa", "۱"), ("en", "1")])
def test_bars_are_the_verdicts_of_each_kind(lang, one):
    (ax,) = figures.verdicts(ENTRIES, CLAIMS, lang=lang).axes
    rows = [localize(name, lang) for name in SUBJECTS.values()]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == rows
    *judged, grey = [[bar.get_width() for bar in bars] for bars in ax.containers]
    found = dict(zip(Verdict, judged, strict=True))
    at = {kind: k for k, kind in enumerate(SUBJECTS)}
    assert sum(map(sum, judged)) + sum(grey) == len(CLAIMS)
    assert grey[at["F"]] == 1
    assert all(found[CLAIMS[id].verdict][at[subject(id)]] == 1 for id in CLAIMS if id != "F2.1-3")
    assert [text.get_text() for text in ax.texts if text.get_text()] == [one] * len(CLAIMS)


def test_the_caption_counts_the_verdicts():
    _, caption = figures.overview(ENTRIES, CLAIMS)["verdicts"]
    assert (
        "4 claims" in caption.en and "1 hold, 1 hold with a correction, 1 depend and 1 do not" in caption.en
    )
    assert "۴ ادعا" in caption.fa and "1 rows" in caption.en


def test_what_the_front_page_says_of_the_flow_is_so():
    """Better than chance, no better than the best baseline, and neither printed value is refuted."""
    areas = [run.metrics["ema"]["auroc"]["all"] for run in paper_runs("maf-capsule")]
    baselines = paper_runs("baselines-capsule")[0].metrics
    mean = sum(area["value"] for area in areas) / len(areas)
    assert min(area["low"] for area in areas) > 0.5
    assert mean <= max(found["auroc"]["all"]["value"] for found in baselines.values())
    assert all(area["low"] < value < area["high"] for area in areas for value in figures.PRINTED_AUROC)


def test_what_the_front_page_says_of_local_likelihood_is_so():
    """0.95 for the same flow and 0.99 for the nearest neighbour; both above every seed of the flow."""
    local = paper_runs("local-capsule-256")
    flows = [run.metrics["ema"]["auroc"]["all"] for run in paper_runs("maf-capsule")]
    found = {m: [run.metrics[m]["auroc"]["all"]["value"] for run in local] for m in ("maf", "neighbours")}
    assert len(local) == 5
    assert [f"{sum(v) / len(v):.2f}" for v in found.values()] == ["0.95", "0.99"]
    assert min(map(min, found.values())) > max(area["value"] for area in flows)
    _, caption = figures.overview(ENTRIES, CLAIMS)["detection"]
    assert "0.95" in caption.en and "۰٫۹۹" in caption.fa


@pytest.mark.parametrize("name", ["detection", "translation"])
def test_pictures_are_drawn_in_both_languages(name):
    draw, caption = figures.overview(load_ledger(), results())[name]
    assert set(draw().images) == {"fa", "en"}
    assert not {"{", "}"} & set(caption.fa + caption.en)
