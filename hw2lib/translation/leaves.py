"""Leaves and green apples are one class of colour: what the green of each test apple is to an eye."""

from pathlib import Path

import pandas as pd
from pandas import DataFrame

KINDS = ("leaves", "apples", "both", "neither", "unsure")


def green_by_eye() -> DataFrame:
    """The 128 test apples whose photographs have green, and what it is.

    Two readers sorted them, by themselves and before any translation of the runs that are judged by it had
    been looked at, into ``leaves`` (and other plants), ``apples``, ``both`` and ``neither``; the 16 on which
    they disagree are ``unsure``.

    Returns:
        Columns ``image``, the place in the sorted split, ``file`` and ``green``, one of :data:`KINDS`.
    """
    return pd.read_csv(Path(__file__).with_name("apple_green.csv"))


def with_kind(translations: DataFrame) -> DataFrame:
    """The test apples that have green: its kind as ``green``, its share of the pixels as ``green_share``.

    Args:
        translations: rows of translations.csv of one epoch and direction A.
    """
    return translations.merge(green_by_eye(), on="image", suffixes=("_share", ""))


def kept_by_kind(translations: DataFrame) -> DataFrame:
    """Of the green pixels of test apples, by what they are, the share that is green in the translation.

    Args:
        translations: rows of translations.csv of one epoch and direction A.

    Returns:
        By kind, ``images`` and ``kept``.
    """
    joined = with_kind(translations)
    found = joined.groupby("green")[["green_share", "green_kept"]].sum()
    kept = found["green_kept"] / found["green_share"]
    return DataFrame({"images": joined.groupby("green").size(), "kept": kept}).reindex(KINDS)
