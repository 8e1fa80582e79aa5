"""Persian digits in the numbers that Sphinx gives to sections, figures, tables and equations."""

from docutils import nodes

PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def persian(number: tuple) -> tuple[str, ...]:
    """A section or figure number with its parts in Persian digits; writers join them with dots.

    >>> persian((5, 12))
    ('۵', '۱۲')
    """
    return tuple(str(part).translate(PERSIAN_DIGITS) for part in number)


def number_in_persian(app, env) -> list[str]:
    """Rewrite the tables from which every number and every reference to one is taken."""
    if app.config.language != "fa":
        return []
    for anchors in env.toc_secnumbers.values():
        anchors.update({anchor: persian(number) for anchor, number in anchors.items() if number})
    for kinds in env.toc_fignumbers.values():
        for ids in kinds.values():
            ids.update({name: persian(number) for name, number in ids.items()})
    titles = [*env.titles.values(), *(r for toc in env.tocs.values() for r in toc.findall(nodes.reference))]
    for node in titles:
        if node.get("secnumber"):
            node["secnumber"] = persian(node["secnumber"])
    return []


def setup(app) -> dict:
    # After the collectors have numbered everything.
    app.connect("env-get-updated", number_in_persian, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
