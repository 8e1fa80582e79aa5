"""Persian typography: letters, digits, punctuation, half-spaces and words that the house avoids."""

import re

import pytest
from prose import ROOT, persian_texts

LETTER = "\u0600-\u06ff"
GAP = "\u00a4"  # stands for a formula, code, a link target or a reference
TECHNICAL = re.compile(
    r"^(?P<f>`{3,})\{math\}.*?^(?P=f)\s*?$"  # display math
    r"|^`{3,}\{[a-z-]+\}.*?$|^`{3,}$"  # other directives: their opening and closing lines
    r"|^:{3,}(?:\{[a-z-]+\})?|^:[a-z-]+:.*?$|^\([\w.-]+\)=$"  # the same with colons, options, labels
    r"|\$\$.*?\$\$|\$[^$]+\$|\{[a-z:]+\}`[^`]*`|`[^`\n]+`"  # formulas, roles, code
    r"|(?<=\])\([^)\s]*\)|<[^>\n]+>|https?://\S+"  # link targets, HTML tags
    r"|CC BY 4\.0|[A-Z] = [0-9.]+"  # a licence's name, a formula in a figure's label
    r"|[A-Za-z][A-Za-z0-9_.]*",  # Latin words, with the digits inside them
    re.M | re.S,
)
RULES = {
    "an Arabic letter or digit instead of the Persian one": "[\u064a\u0649\u0643\u06c0\u0629\u0660-\u0669]",
    "an ASCII digit": "[0-9]",
    "an ASCII comma, semicolon or question mark": f"(?<=[{LETTER}{GAP}])[»)]? ?[,;?]|[,;?] ?(?=[{LETTER}])",
    "an ASCII quotation mark": f'"(?=[{LETTER}])|(?<=[{LETTER}])"',
    "an ASCII per cent sign": "(?<=[۰-۹]) ?%",
    "a space before punctuation": r"(?<=\S)[ \u200c]+[،؛؟!:](?!\S)|(?<=\S) +\.(?!\S)| +[»)](?=\s|$)",
    "no space after punctuation": f"[،؛؟](?=[{LETTER}A-Za-z{GAP}])|(?<=[{LETTER}])[.:](?=[آ-ی])",
    "a space inside quotation marks": "«\\s|\\s»",
    "«می» without a half-space": f"(?<![{LETTER}\u200c])ن?می +(?=[{LETTER}])",
    "«ها» without a half-space": f"(?<= )ها(?:ی|یی|یم|یت|یش|یمان|یشان)?(?![{LETTER}\u200c])",
    "«تر» or «ترین» without a half-space": f"(?<=[{LETTER}] )تر(?:ین)?(?![{LETTER}\u200c])",
    "«ه‌ی» instead of «هٔ»": f"ه[\u200c ]ی(?![{LETTER}\u200c])",
    "a loose half-space": "\u200c[\\s\u200c،؛؟.:»)]|[\\s«(]\u200c",
    "two spaces": r"(?<=\S)  +(?=\S)",
    "a word the house avoids": "می\u200c?باش(?:د|ند|یم)(?![آ-ی])|(?<![آ-ی])توسط(?![آ-ی])|به منظور"
    "|لازم به ذکر|این اجازه می\u200cدهد به ما که|به\u200cواسطهٔ|بدین\u200cوسیله",
}


def strip(text: str) -> str:
    """The text with everything technical replaced by a mark, its line breaks kept."""
    return TECHNICAL.sub(lambda m: GAP + "\n" * m[0].count("\n"), text)


def faults(text: str) -> list[tuple[int, str, str]]:
    """Line offset, rule and the words around each fault of a Persian text."""
    bare = strip(text)
    found = []
    for name, pattern in RULES.items():
        for match in re.finditer(pattern, bare, re.M):
            near = bare[max(0, match.start() - 20) : match.end() + 20].replace("\n", " ")
            found.append((bare.count("\n", 0, match.start()), name, near))
    alone = re.sub("«[^«»]*»", lambda quoted: " " * len(quoted[0]), bare)
    for mark in re.finditer("[«»]", alone):
        near = bare[max(0, mark.start() - 20) : mark.end() + 20].replace("\n", " ")
        found.append((bare.count("\n", 0, mark.start()), "unbalanced «»", near))
    return found


def test_typography():
    messages, seen = [], set()
    for path, line, text in persian_texts():
        seen.add(path.relative_to(ROOT).parts[0])
        messages += [
            f"{path.relative_to(ROOT)}:{line + offset}: {rule}: …{near}…"
            for offset, rule, near in faults(text)
        ]
    assert {"notebooks", "book", "hw2lib", "_config.yml", "_toc.yml"} <= seen
    assert not messages, "\n" + "\n".join(messages)


@pytest.mark.parametrize(
    "text",
    [
        "این كتاب",
        "بي‌نظم",
        "لایۀ پنهان",
        "با 512 واحد",
        "با ٣ واحد",
        "اول, دوم",
        "درست است?",
        "مدل $p$, سپس",
        'واژهٔ "مدل" را',
        "۹۹% نمونه‌ها",
        "مدل ، سپس",
        "تمام شد .",
        "مدل،سپس",
        "تمام شد.سپس",
        "« مدل »",
        "او می شود",
        "او نمی شود",
        "داده ها",
        "MAF ها",
        "لایه های پنهان",
        "بزرگ ترین عدد",
        "لایه‌ی پنهان",
        "داده‌ ها را",
        "مدل  ما",
        "چنین می‌باشد",
        "توسط مدل",
        "«مدل",
        "مدل»",
        "««مدل»",
    ],
)
def test_rules_find_faults(text):
    assert faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "لایهٔ پنهان می‌شود؛ داده‌ها نمی‌رسند، مگر «مدل» باشد.",
        "با $D = 49152$ ورودی، `x[0, 1]` و {cite}`name2021, name2022`؛ جدول ۱.۱ را ببینید.",
        "```{math}\n:label: eq-a\nx, y ; 1 2\n```\n\n:::{admonition} تمرین\n:class: tip\nفصل ۳\n:::",
        "[فصل بعد](page.html?a=1,2) و <b>متن</b>",
        "توسطح و هامون و ترانهاده",
        "(sec-degrees)=\n## درجه‌ها",
    ],
)
def test_rules_leave_good_persian_alone(text):
    assert faults(text) == []
