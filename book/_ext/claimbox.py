"""Claims in the book: a box under the cell that checks one, and the ledger of all of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from hw2lib.bilingual import Text, localize
from hw2lib.claims import BOOKKEEPING as BOOKKEEPING_NAME
from hw2lib.claims import SUBJECTS, VERDICT_NAMES, ClaimResult, Verdict, count_verdicts, is_bookkeeping
from hw2lib.protocol import Provenance, provenance

VERDICTS = {
    verdict: {"fa": name.fa, "en": name.en, "class": f"claim-{verdict.name.lower()}"}
    for verdict, name in VERDICT_NAMES.items()
}
# Behind the number of claims with that verdict.
COUNTED = {
    Verdict.HOLDS: {"fa": "برقرار است", "en": "hold"},
    Verdict.CORRECTED: {"fa": "با یک اصلاح برقرار است", "en": "hold with a correction"},
    Verdict.DEPENDS: {"fa": "به شرایط بستگی دارد", "en": "depend on conditions"},
    Verdict.FAILS: {"fa": "برقرار نیست", "en": "do not hold"},
}
# A claim that only says what is there is listed under these words, and is no verdict.
BOOKKEEPING = {
    True: {"fa": "ثبتی: مطابق گزارش", "en": "bookkeeping: as reported", "class": "claim-open"},
    False: {"fa": "ثبتی: با گزارش تفاوت دارد", "en": "bookkeeping: not as reported", "class": "claim-open"},
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
        "subject": "موضوع",
        "every": "همه",
        "shown": "{shown} ادعا از {all}",
        "reset": "پاک کردن",
        "rule": "قاعدهٔ `{rule}`: ثبت در `{commit}`",
        "records": "؛ اجراهای ضبط‌شده از {commits}",
        "older": "؛ از آن‌ها {jobs} پیش از نوشتن قاعده آغاز شده بود",
        "before": "حکم پیش از بازنگری قاعده",
        "counts": "از {all} ادعا {counts}. {listed} ردیف ثبتی است: تنها می‌گوید که چیزی در گزارش هست "
        "یا تنظیم‌ها با آن می‌خوانند، و حکم شمرده نمی‌شود.",
        "separator": "، ",
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
        "subject": "Kind",
        "every": "all",
        "shown": "{shown} of {all} claims",
        "reset": "Clear",
        "rule": "Rule `{rule}`: committed in `{commit}`",
        "records": "; records made from {commits}",
        "older": "; of these {jobs} had been begun before the rule was written",
        "before": "Verdict before its rule was reviewed",
        "counts": "Of {all} claims, {counts}. {listed} rows are bookkeeping: they say only that something "
        "is in the report, or that settings agree with it, and are not counted as verdicts.",
        "separator": ", ",
    },
}


def one_line(text: str) -> str:
    return " ".join(text.split())


def shown_verdict(claim: Mapping[str, Any], result: ClaimResult) -> dict[str, str]:
    """Words and class of what became of a claim."""
    if is_bookkeeping(claim):
        return BOOKKEEPING[result.verdict is Verdict.HOLDS]
    return VERDICTS[result.verdict]


def rule_line(found: Provenance, language: str) -> str:
    """A rule with the commit that wrote it, those of its records, and which of these are older."""
    words = WORDS[language]

    def listed(names: Iterable[str]) -> str:
        return words["separator"].join(f"`{name}`" for name in names)

    line = words["rule"].format(rule=found.rule, commit=found.rule_commit)
    if found.record_commits:
        line += words["records"].format(commits=listed(found.record_commits))
    if found.older:
        line += words["older"].format(jobs=listed(found.older))
    return f"{line}."


def history_markdown(claim: Mapping[str, Any], language: str) -> list[str]:
    """What had become of a claim before its rule was reviewed, where that was another verdict; its rules."""
    lines = [rule_line(found, language) for found in provenance(claim["id"])]
    if "before" in claim:
        before = VERDICTS[Verdict(claim["before"])][language]
        lines.insert(0, f"**{WORDS[language]['before']}:** {before}.")
    return lines


def counts_markdown(claims: list[dict[str, Any]], results: Mapping[str, ClaimResult], language: str) -> str:
    """How many claims came out each way, as a sentence."""
    words, counts = WORDS[language], count_verdicts(claims, results)
    parts = (f"{localize(n, language)} {COUNTED[verdict][language]}" for verdict, n in counts.items())
    return words["counts"].format(
        all=localize(sum(counts.values()), language),
        counts=words["separator"].join(parts),
        listed=localize(sum(map(is_bookkeeping, claims)), language),
    )


def claim_markdown(claim: Mapping[str, Any], result: ClaimResult, language: str) -> str:
    """The box under the cell that has checked a claim, as MyST."""
    words, verdict = WORDS[language], shown_verdict(claim, result)
    history = [line for part in history_markdown(claim, language) for line in ("", part)]
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
            *history,
            ":::",
        ]
    )


def ledger_filter(language: str) -> str:
    """The form that ledger.js fills with the chapters and shows; without the script there is none."""
    words = WORDS[language]
    verdicts = {f"claim-{verdict.name.lower()}": name for verdict, name in VERDICT_NAMES.items()}
    verdicts["claim-open"] = BOOKKEEPING_NAME

    def select(name: str, label: str, options: Mapping[str, Text]) -> str:
        shown = "".join(f'<option value="{v}">{localize(t, language)}</option>' for v, t in options.items())
        every = f'<option value="">{words["every"]}</option>'
        return f'<label>{label} <select name="{name}">{every}{shown}</select></label>'

    fields = [
        select("verdict", words["verdict"], verdicts),
        select("chapter", words["page"], {}),
        select("subject", words["subject"], SUBJECTS),
    ]
    reset = f'<button type="reset">{words["reset"]}</button>'
    count = f'<output aria-live="polite" data-text="{words["shown"]}"></output>'
    return f'<form class="ledger-filter" hidden>{"".join(fields)}{reset}{count}</form>'


def ledger_markdown(claims: list[dict[str, Any]], results: Mapping[str, ClaimResult], language: str) -> str:
    """The ledger as a MyST table; a claim that has been checked links to its box in the chapter."""
    words = WORDS[language]
    lines = [
        counts_markdown(claims, results, language),
        "",
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
        verdict = shown_verdict(claim, result) if result else {language: words["open"], "class": "claim-open"}
        measured = [one_line(result.evidence(claim, language))] if result else []
        measured += history_markdown(claim, language)
        lines += [
            f"* - {{ref}}`{claim['id']} <claim-{claim['id'].lower()}>`" if result else f"* - {claim['id']}",
            f"  - {one_line(claim['statement'][language])}",
            f"  - [{verdict[language]}]{{.verdict .{verdict['class']}}}",
            f"  - {' '.join(measured)}",
            f"  - {{doc}}`/notebooks/{claim['notebook']}`" if result else "  - ",
        ]
    return "\n".join([*lines, ":::"])
