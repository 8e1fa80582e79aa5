"""The glossary: every term is used, defined where the glossary says, and in the order of the alphabet."""

import re

import pytest
import yaml
from prose import NOTEBOOKS, ROOT, blocks
from tables import persian_order

# Words with an everyday sense too, which may stand before the page that defines the term.
EVERYDAY = set("آزمون آستانه آموزش اعتبارسنجی بازیابی بافت بلوک تکه جمعی حکم درجه دسته دقت دور رشته".split())
EVERYDAY |= set(
    "خانه ویژگی بهره رمزگذار زیان شاخه صحت گام مولد ماسک پیچش هسته هندسه ادعا خودبازگشتی وارون‌پذیر".split()
)
ENTRIES = yaml.safe_load((ROOT / "book/glossary.yml").read_text("utf-8"))
LATIN = re.compile(r"\(([^()]*[A-Za-z][^()]*)\)")


def prose(path) -> str:
    """The Persian prose of a page without its headings and labels."""
    text = "\n".join(b.text for b in blocks(path) if b.kind == "prose" and b.language == "fa")
    return re.sub(r"^#+ .*$|^\(.*\)=$", "", text, flags=re.M)


PAGES = {path.stem: prose(path) for path in [ROOT / "book/index.md", *NOTEBOOKS]}


def terms(entry: dict) -> list[tuple[str, str]]:
    """Persian and English terms of an entry, in pairs; notes in brackets left out."""
    bare = {k: re.sub(r" ?\([^)]*\)", "", entry[k]) for k in ("fa", "en")}
    return list(zip(bare["fa"].split("، "), bare["en"].split(", "), strict=True))


def uses(term: str, text: str) -> list[re.Match]:
    """Where a text has the term, its words perhaps in the plural or with an ending."""
    ending = "(?:\u200c?ها)?(?:\u200cای|ی|ٔ|ِ)?"
    words = (ending + r"\s").join(re.escape(word.removesuffix("ٔ")) for word in term.split())
    return list(re.finditer(rf"(?<![آ-ی\u200c]){words}{ending}(?![آ-ی\u200c])", text))


def undefined(persian: str, english: str, text: str) -> bool:
    """Does the term's first use in the text lack the English term in brackets right after it?"""
    found = uses(persian, text)
    after = text[found[0].end() :][:80] if found else ""
    near = LATIN.match(after.lstrip("» "))
    return near is None or english.split()[0].casefold() not in near[1].casefold()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e["en"])
def test_first_use_has_the_english_term(entry):
    where = list(PAGES).index(entry["where"])
    for persian, english in terms(entry):
        text = PAGES[entry["where"]]
        if persian in EVERYDAY:
            assert any(not undefined(persian, english, text[m.start() :]) for m in uses(persian, text)), (
                persian
            )
            continue
        assert not undefined(persian, english, text), f"{persian} ({english}) on {entry['where']}"
        earlier = [page for page in list(PAGES)[1:where] if uses(persian, PAGES[page])]
        assert not earlier, f"{persian} stands in {earlier}, before {entry['where']}"


def test_no_term_is_listed_twice():
    listed = [persian for entry in ENTRIES for persian, _ in terms(entry)]
    assert len(set(listed)) == len(listed)


def test_first_use_is_found_out():
    assert undefined("لایهٔ پنهان", "hidden layer", "یک لایهٔ پنهان و لایهٔ پنهان (hidden layer)")
    assert undefined("لایهٔ پنهان", "hidden layer", "یک لایهٔ پنهان (layer)")
    assert not undefined("لایهٔ پنهان", "hidden layer", "دو لایه‌های پنهانی (hidden layers) دارد")


def test_persian_alphabet():
    words = ["آزمون", "آستانه", "ادعا", "بذر", "پیچش", "تکه", "توزیع", "جریان", "چگالی", "درست‌نمایی"]
    words += ["دور", "رده‌بند", "ژاکوبی", "سطح", "کران", "گام", "لایه", "مُد", "نات", "واحد", "هسته", "یکا"]
    assert sorted(reversed(words), key=persian_order) == words
    assert sorted(words) != words  # by code point پ، چ، ژ، ک، گ come last
    assert persian_order("رده‌بند") == persian_order("ردهبند")
    assert sorted(["گام", "GAN"], key=persian_order) == ["GAN", "گام"]
