"""Persian words: one spelling and one meaning for each, and no words that the readers misread."""

import re

import pytest
from prose import NOTEBOOKS, PAGES, blocks, persian_texts

LETTER = "آ-ی\u200c"
# What is never written, and what stands in its place.
SPELLINGS = {
    f"تصویرها(?![{LETTER}])|تصویرهای": "تصاویر",
    f"(?<![{LETTER}])هر (?:چه|قدر)(?![{LETTER}])": "هرچه، هرقدر",
    f"(?<![{LETTER}])بی آنکه": "بی‌آنکه",
    "همپوشان": "هم‌پوشان",
    "یک‌جا(?!ی)": "یکجا",
    "مقایسه‌شدنی": "مقایسه‌پذیر",
    f"(?<![{LETTER}])فایل": "پرونده",
    "بهنجارساز": "نرمال‌سازی",
    # «بی» apart from its word reads as «بی‌»: بی زیان as harmless.
    f"(?<![{LETTER}])بی (?=[{LETTER}])": "بدون",
    f"(?<![{LETTER}])خانهٔ (?:کد|زیر|بالا|رنگی)|همین خانه|خانه‌های (?:روشن|ناصفر)": "سلول، درایه",
    "تغییر واحد|واحد داده": "یکا",
    "دستهٔ (?:«|کپسول)": "رده",
    "انبار(?:ه|هٔ)(?![آ-ی])": "بافر تاریخچهٔ تصاویر",
    f"(?<![{LETTER}])صافی": "فیلتر",
    "جمع آزمون": "سرجمع",
    "مجموعهٔ شرط(?!ی)": "مجموعهٔ شرطی‌ساز",
    "ماتریس کلی|ژاکوبی کلی": "ماتریس دلخواه",
    "هیچ نمی‌داند": "امتیاز تصادفی",
    "بی‌ترجمه": "ترجمه‌نشده",
    "بی‌افت": "بدون اتلاف",
    "بی‌پایان": "نامتناهی",
    "رو به جلو": "پیش‌رو",
    "تکان (?:می|نمی)": "تغییر کردن",
    "می‌چسب": "نزدیک است",
    "نگاشت آنجا می‌ایستد": "مشتق آنجا صفر است",
    "به زیان جریان": "به ضرر جریان",
    "مغز سفید": "گوشت سفید",
    "می‌شود (?:شمرد|دید|گفت|نتیجه گرفت|اعتماد)": "می‌توان",
    f"(?:هشت|دوازده|هر) آموزش(?![{LETTER}])|آموزش‌ها": "اجرا، بار آموزش",
    "به (?:شیر یا خط|هیچ [آ-ی]+ی|مقصد|ورودی|کدام) (?:می|نمی)‌ماند": "شبیه است",
    "[۰-۹]−": "a formula for a negative number",
}
PROSE = [b for path in [*PAGES, *NOTEBOOKS] for b in blocks(path) if b.kind == "prose"]


def misspelt(text: str) -> list[str]:
    """What stands in a text that should not, and what should."""
    return [f"{match[0]}: {wanted}" for bad, wanted in SPELLINGS.items() for match in re.finditer(bad, text)]


def test_spelling():
    found = [f"{path}:{line}: {fault}" for path, line, text in persian_texts() for fault in misspelt(text)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "تصویرهای واقعی",
        "همان تصویرها.",
        "هر چه بیشتر",
        "بی زیان چرخه‌ای",
        "بی انباره",
        "در همین خانه اجرا می‌شود",
        "انبارهٔ تصاویر",
        "دوازده آموزش داریم",
        "به هیچ پرتقالی نمی‌ماند",
        "از ۰٫۰۴− تا",
        "جمع آزمون داده",
    ],
)
def test_misspelling_is_found(text):
    assert misspelt(text)


@pytest.mark.parametrize(
    "text",
    [
        "تصویر، تصاویری و تصویری",
        "هرچه بیشتر و هر چهار تصویر",
        "ژاکوبی آن بی‌خطاست",
        "کتابخانه و خانه‌ای به پهنای",
        "صاف",
        "سبز می‌ماند و به مقصد می‌رسد",
        "آموزش ناجفت",
        "با گام آموزش",
        "$-0.04$",
    ],
)
def test_good_words_are_left_alone(text):
    assert misspelt(text) == []


def test_titles_in_sentences_are_quoted():
    marks = {"fa": "«", "en": '"'}
    bare = [
        f"{b.where}: {match[0]}"
        for b in PROSE
        if b.language
        for match in re.finditer(rf"(?<!{marks[b.language]})\{{(?:doc|ref)\}}`[^`]*`", b.text)
    ]
    assert not bare, "\n" + "\n".join(bare)
