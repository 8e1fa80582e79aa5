"""Whether the green of a summer is encoded in its winter, and hidden there.

The rule is what-small-runs-of-summer-decide in ``book/protocol.yml``, for rows of
:func:`hw2lib.translation.steganography.colour_returns`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pandas import DataFrame

from .reader import RecordedCycleGAN

NOTHING = ("noise", 0.0)
VISIBLE = 8.0  # levels
Found = Literal["hidden", "encoded", "neither"]


@dataclass(frozen=True)
class GreenMessage:
    """What becomes of green that a generator took away, as its outputs are disturbed.

    Attributes:
        rows: by ``kind`` and ``level``, ``images`` looked at, ``share`` of their turned pixels that come back
            green, and ``size`` of the disturbance there in levels; empty where too little turned.
    """

    rows: DataFrame

    @classmethod
    def of(cls, run: RecordedCycleGAN, direction: str = "A") -> "GreenMessage":
        """Of the last epoch of a run."""
        rows = [
            row
            for row in run.metrics["returns"]
            if row["epoch"] == run.epochs[-1] and row["direction"] == direction
        ]
        columns = ["kind", "level", "images", "share", "size"]
        return cls(DataFrame(rows, columns=columns).set_index(["kind", "level"]))

    @property
    def comes_back(self) -> bool:
        """Whether at least half of it does when nothing is disturbed."""
        return len(self.rows) > 0 and self.rows.loc[NOTHING, "share"] >= 0.5

    @property
    def lost(self) -> DataFrame:
        """The rows of the disturbances with which at most half of what comes back does so.

        Where the green does not come back at all, nothing is lost. A swap takes two images.
        """
        rows = self.rows.drop(index=[NOTHING], errors="ignore")
        if not self.comes_back:
            return rows.iloc[:0]
        tried = (rows.index.get_level_values("kind") != "swap") | (rows["images"] > 1)
        return rows[tried & (rows["share"] <= self.rows.loc[NOTHING, "share"] / 2)]

    @property
    def found(self) -> Found:
        """``encoded`` in what some disturbance takes away, and ``hidden`` if that is too little to see."""
        if self.lost.empty:
            return "neither"
        return "hidden" if bool((self.lost["size"] < VISIBLE).any()) else "encoded"


def over_seeds(messages: Sequence[GreenMessage]) -> Literal["hidden", "encoded", "some", "neither"]:
    """What is found in every seed, or ``some`` where seeds differ."""
    found = {message.found for message in messages}
    return found.pop() if len(found) == 1 else "some"
