"""Seal the words of the claims: their checksums by language, in book/claims.sha256.

python book/seal.py             seal again; refused where one language alone was changed
python book/seal.py ID...       seal these too, whose other language says the same already

A verdict belongs to the words on which it was passed. A claim that was reworded since is found by a test and
by make grade; where it was in one language alone, it is sealed by name only.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from hw2lib.bilingual import LANGUAGES
from hw2lib.claims import load_ledger

SEALS = Path(__file__).with_name("claims.sha256")
Seals = dict[str, tuple[str, ...]]


def _words(value: Any, lang: str) -> Any:
    """An entry in one language."""
    if isinstance(value, dict):
        if value.keys() == set(LANGUAGES):
            return value[lang]
        return {str(key): _words(part, lang) for key, part in value.items()}
    return value


def seal(entry: dict) -> tuple[str, ...]:
    """The checksum of a claim's entry in each language."""
    texts = (json.dumps(_words(entry, lang), sort_keys=True, ensure_ascii=False) for lang in LANGUAGES)
    return tuple(hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts)


def read_seals(path: Path = SEALS) -> Seals:
    """The checksums as they were sealed, by the claims' ids."""
    rows = (line.split() for line in path.read_text("utf-8").splitlines())
    return {row[-1]: tuple(row[:-1]) for row in rows if row}


def reworded(entry: dict, seals: Seals) -> tuple[str, ...]:
    """The languages in which a claim says something else than what was sealed."""
    pairs = zip(LANGUAGES, seal(entry), seals.get(entry["id"], ("",) * len(LANGUAGES)), strict=True)
    return tuple(lang for lang, now, then in pairs if now != then)


def main(named: list[str]) -> None:
    entries, seals = load_ledger(), read_seals()
    alone = [(e["id"], *found) for e in entries if len(found := reworded(e, seals)) == 1]
    if lines := [f"{id}: only changed in {lang}" for id, lang in alone if id not in named]:
        sys.exit("\n".join([*lines, "nothing is sealed; change the other language, or name the claim"]))
    SEALS.write_text("".join(f"{' '.join(seal(e))} {e['id']}\n" for e in entries), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
