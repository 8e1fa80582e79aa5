"""Claims in the book: a box under the cell that settles one, and the ledger of all of them."""

from hw2lib.claims import Verdict

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


def measured_text(claim: dict) -> str:
    """The measured value with its unit, kept left to right."""
    value = f"{claim['measured']} {claim['unit']}".strip()
    return f"`{value}`"


def claim_markdown(claim: dict, language: str) -> str:
    """The box under a settled claim, as MyST."""
    words, verdict = WORDS[language], VERDICTS[Verdict(claim["verdict"])]
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
            f"**{words['measured']}:** {measured_text(claim)}",
            ":::",
        ]
    )


def ledger_markdown(claims: list[dict], language: str) -> str:
    """The ledger as a MyST table; a settled claim links to its box in the chapter."""
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
        settled = claim.get("verdict")
        verdict = VERDICTS[Verdict(settled)] if settled else {language: words["open"], "class": "claim-open"}
        lines += [
            f"* - {{ref}}`{claim['id']} <claim-{claim['id'].lower()}>`" if settled else f"* - {claim['id']}",
            f"  - {' '.join(claim['statement'][language].split())}",
            f"  - [{verdict[language]}]{{.verdict .{verdict['class']}}}",
            f"  - {measured_text(claim) if settled else ''}",
            f"  - {{doc}}`/notebooks/{claim['notebook']}`" if settled else "  - ",
        ]
    return "\n".join([*lines, ":::"])
