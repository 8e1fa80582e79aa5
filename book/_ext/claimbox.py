"""Claims in the book: a box under the cell that checks one, and the ledger of all of them."""

from collections.abc import Mapping
from typing import Any

from hw2lib.claims import ClaimResult, Verdict

VERDICTS = {
    Verdict.HOLDS: {"fa": "برقرار است", "en": "holds", "class": "claim-holds"},
    Verdict.CORRECTED: {
        "fa": "با یک اصلاح برقرار است",
        "en": "holds with a correction",
        "class": "claim-corrected",
    },
    Verdict.DEPENDS: {"fa": "بستگی دارد", "en": "depends", "class": "claim-depends"},
    Verdict.FAILS: {"fa": "برقرار نیست", "en": "does not hold", "class": "claim-fails"},
}
WORDS = {
    "fa": {
        "claim": "ادعا",
        "verdict": "حکم",
        "measured": "اندازه‌گیری‌شده",
        "check": "شیوهٔ سنجش",
        "page": "فصل",
        "open": "باز",
        "place": "جای آن در گزارش",
        "statement": "متن ادعا",
    },
    "en": {
        "claim": "Claim",
        "verdict": "Verdict",
        "measured": "Measured",
        "check": "How it is checked",
        "page": "Chapter",
        "open": "open",
        "place": "Place in the report",
        "statement": "Statement",
    },
}


def one_line(text: str) -> str:
    return " ".join(text.split())


def claim_markdown(claim: Mapping[str, Any], result: ClaimResult, language: str) -> str:
    """The box under the cell that has checked a claim, as MyST."""
    words, verdict = WORDS[language], VERDICTS[result.verdict]
    return "\n".join(
        [
            f"(claim-{claim['id']})=",
            f":::{{admonition}} {words['claim']} {claim['id']}: {verdict[language]}",
            f":class: claim {verdict['class']}",
            "",
            claim["statement"][language].strip(),
            "",
            f"**{words['check']}:** {claim['check'][language].strip()}",
            "",
            f"**{words['measured']}:** {one_line(result.evidence(claim, language))}",
            ":::",
        ]
    )


def ledger_markdown(claims: list[dict[str, Any]], results: Mapping[str, ClaimResult], language: str) -> str:
    """The ledger as a MyST table; a claim that has been checked links to its box in the chapter."""
    words = WORDS[language]
    lines = [
        ":::{list-table}",
        ":header-rows: 1",
        ":class: ledger",
        "",
        f"* - {words['claim']}",
        f"  - {words['statement']}",
        f"  - {words['verdict']}",
        f"  - {words['measured']}",
        f"  - {words['page']}",
    ]
    for claim in claims:
        result = results.get(claim["id"])
        verdict = VERDICTS[result.verdict] if result else {language: words["open"], "class": "claim-open"}
        lines += [
            f"* - {{ref}}`{claim['id']} <claim-{claim['id'].lower()}>`" if result else f"* - {claim['id']}",
            f"  - {one_line(claim['statement'][language])}",
            f"  - [{verdict[language]}]{{.verdict .{verdict['class']}}}",
            f"  - {one_line(result.evidence(claim, language)) if result else ''}",
            f"  - {{doc}}`/notebooks/{claim['notebook']}`" if result else "  - ",
        ]
    return "\n".join([*lines, ":::"])
