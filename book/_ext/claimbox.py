"""Claims in the book: a box under the cell that checks one, and the ledger of all of them."""

from collections.abc import Mapping
from typing import Any

from hw2lib.bilingual import Text, localize
from hw2lib.claims import KINDS, VERDICT_NAMES, ClaimResult

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
        "kind": "گونه",
        "every": "همه",
        "shown": "{shown} ادعا از {all}",
        "reset": "پاک کردن",
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
        "kind": "Kind",
        "every": "all",
        "shown": "{shown} of {all} claims",
        "reset": "Clear",
    },
}


def one_line(text: str) -> str:
    return " ".join(text.split())


def claim_markdown(claim: Mapping[str, Any], result: ClaimResult, language: str) -> str:
    """The box under the cell that has checked a claim, as MyST."""
    words, verdict = WORDS[language], localize(VERDICT_NAMES[result.verdict], language)
    return "\n".join(
        [
            f"(claim-{claim['id']})=",
            f":::{{admonition}} {words['claim']} {claim['id']}: {verdict}",
            f":class: claim claim-{result.verdict.name.lower()}",
            "",
            claim["statement"][language].strip(),
            "",
            f"**{words['check']}:** {claim['check'][language].strip()}",
            "",
            f"**{words['measured']}:** {one_line(result.evidence(claim, language))}",
            ":::",
        ]
    )


def ledger_filter(language: str) -> str:
    """The form that ledger.js fills with the chapters and shows; without the script there is none."""
    words = WORDS[language]
    verdicts = {f"claim-{verdict.name.lower()}": name for verdict, name in VERDICT_NAMES.items()}

    def select(name: str, label: str, options: Mapping[str, Text]) -> str:
        shown = "".join(f'<option value="{v}">{localize(t, language)}</option>' for v, t in options.items())
        every = f'<option value="">{words["every"]}</option>'
        return f'<label>{label} <select name="{name}">{every}{shown}</select></label>'

    fields = [
        select("verdict", words["verdict"], verdicts),
        select("chapter", words["page"], {}),
        select("kind", words["kind"], KINDS),
    ]
    reset = f'<button type="reset">{words["reset"]}</button>'
    count = f'<output aria-live="polite" data-text="{words["shown"]}"></output>'
    return f'<form class="ledger-filter" hidden>{"".join(fields)}{reset}{count}</form>'


def ledger_markdown(claims: list[dict[str, Any]], results: Mapping[str, ClaimResult], language: str) -> str:
    """The ledger as a MyST table; a claim that has been checked links to its box in the chapter."""
    words = WORDS[language]
    lines = [
        "```{raw} html",
        ledger_filter(language),
        "```",
        "",
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
        name = localize(VERDICT_NAMES[result.verdict], language) if result else words["open"]
        look = f"claim-{result.verdict.name.lower() if result else 'open'}"
        lines += [
            f"* - {{ref}}`{claim['id']} <claim-{claim['id'].lower()}>`" if result else f"* - {claim['id']}",
            f"  - {one_line(claim['statement'][language])}",
            f"  - [{name}]{{.verdict .{look}}}",
            f"  - {one_line(result.evidence(claim, language)) if result else ''}",
            f"  - {{doc}}`/notebooks/{claim['notebook']}`" if result else "  - ",
        ]
    return "\n".join([*lines, ":::"])
