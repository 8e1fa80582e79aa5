"""Make a built edition light: pictures as lossless WebP, and of thousands of icons those that it shows."""

import re
from pathlib import Path

from fontTools import subset
from PIL import Image

ICON = r'"?([a-z0-9-]+)"?:\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\]'
ICONS = re.compile(rf"(?<=\{{){ICON}(?:,{ICON})*(?=\}})")
# The fonts that a stylesheet offers before the same as TrueType, which need another library to be read.
WOFF2 = re.compile(r'url\([^)]*webfonts/[^)]*\.woff2\) format\("woff2"\),(?=url\([^)]*\.ttf\))')
# Rules that would show an icon by its class, if the script did not.
BY_CLASS = re.compile(r'(?:\.fa-[\w-]+:(?:before|after),?)+\{content:"[^"]*"\}')
# Of the theme's scripts, which draws the icons and which put some on the page.
DRAWER, SCRIPTS = "fontawesome.js", "*sphinx*.js"


def few_icons(script: str, names: set[str]) -> str:
    """The script of Font Awesome with the named icons alone.

    >>> few_icons('{p={0:[320,512,[],"30","M0"],"xmark":[384,512,[],"f00d",["M1","M2"]]}}', {"xmark"})
    '{p={"xmark":[384,512,[],"f00d",["M1","M2"]]}}'
    """

    def kept(found: re.Match) -> str:
        return ",".join(icon[0] for icon in re.finditer(ICON, found[0]) if icon[1] in names)

    return ICONS.sub(kept, script)


def few_signs(static: Path) -> None:
    """Leave those signs in the icon fonts that the theme's own rules write; a script draws all others."""
    styles = {path: path.read_text("utf-8") for path in static.rglob("*.css")}
    lighter = {path: BY_CLASS.sub("", WOFF2.sub("", text)) for path, text in styles.items()}
    for path, text in lighter.items():
        if text != styles[path]:
            path.write_text(text, "utf-8")
    written = re.findall(r'[\ue000-\uf8ff]|(?<=content:")\\f[\da-f]{3}', "".join(lighter.values()))
    signs = {chr(int(sign[1:], 16)) if sign.startswith("\\") else sign for sign in written}
    for path in (static / "vendor" / "fontawesome" / "webfonts").glob("*.ttf"):
        font = subset.load_font(path, options := subset.Options(layout_features=[]))
        subsetter = subset.Subsetter(options)
        subsetter.populate(text="".join(signs))
        subsetter.subset(font)
        subset.save_font(font, path, options)


def finish(app, exception) -> None:
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = {path: path.read_text("utf-8") for path in out.rglob("*.html")}
    scripts = out / "_static" / "scripts"
    shown = [*pages.values(), *(path.read_text("utf-8") for path in scripts.glob(SCRIPTS))]
    names = {name for text in shown for name in re.findall(r"\bfa-([a-z0-9-]+)", text)}
    drawer = scripts / DRAWER
    drawer.write_text(few_icons(drawer.read_text("utf-8"), names), "utf-8")
    few_signs(out / "_static")
    for picture in (out / "_images").glob("*.png"):
        Image.open(picture).save(picture.with_suffix(".webp"), lossless=True)
        picture.unlink()
    for path, text in pages.items():
        path.write_text(re.sub(r"(_images/[^\"]+)\.png\"", r'\1.webp"', text), "utf-8")


def setup(app) -> dict:
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
