"""A chapter away from this machine: Binder, Colab, Codespaces, and its download in an empty folder."""

import json
import re
import shutil
import subprocess
import tomllib

import build
import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from packaging.specifiers import SpecifierSet
from prose import NOTEBOOKS, ROOT

pytestmark = pytest.mark.book
ADDRESS = "https://github.com/owner/name"
BUTTONS = {
    "https://mybinder.org/v2/gh/owner/name/editions?urlpath=lab/tree/editions/{language}/{page}.ipynb",
    "https://colab.research.google.com/github/owner/name/blob/editions/editions/{language}/{page}.ipynb",
}
SHORTEST = "01_change_of_variables"


def launchers(page: str) -> set[str]:
    return set(re.findall(r'href="(https://(?:mybinder|colab)[^"]*)"', page))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A function that builds one chapter of an edition with an address, into the folder that it returns."""
    for name in ("book", "node_modules", "hw2lib"):
        (tmp_path / name).symlink_to(ROOT / name)
    toc = {
        "format": "jb-book",
        "root": f"notebooks/{SHORTEST}",
        "parts": [{"caption": "یک | one", "chapters": [{"file": "book/refs"}]}],
    }
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    config["repository"]["url"] = ADDRESS
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(config), "utf-8")
    for name, path in (("ROOT", tmp_path), ("BUILD", tmp_path / "_build"), ("STAGE", tmp_path / "src")):
        monkeypatch.setattr(build, name, path)
    shutil.copytree(ROOT / "book", tmp_path / "src" / "book")
    shutil.copytree(ROOT / "_build/src/book/_static", tmp_path / "src/book/_static", dirs_exist_ok=True)
    (tmp_path / "src" / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / f"{SHORTEST}.ipynb", tmp_path / "src" / "notebooks")

    def built(language: str):
        build.start(language).wait()  # it warns of links to the chapters that are not there
        return tmp_path / "_build" / language / "_build" / "html"

    return built


@pytest.mark.slow
def test_with_an_address_a_chapter_has_buttons_and_an_install_cell(site, small):
    language, out = "fa", small("fa")
    page = f"notebooks/{SHORTEST}"
    found = launchers((out / f"{page}.html").read_text("utf-8"))
    assert found == {button.format(language=language, page=page) for button in BUTTONS}
    notebook = nbformat.read(out / "_sources" / f"{page}.ipynb", as_version=4)
    nbformat.validate(notebook)
    first = notebook.cells[0]
    assert first.cell_type == "code" and f"git clone --quiet --depth 1 {ADDRESS}" in first.source
    assert launchers((out / "book" / "refs.html").read_text("utf-8")) == set(), "no notebook"


def test_without_an_address_there_are_none(site):
    assert yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["repository"]["url"] == ""
    for path in [*site.rglob("*/notebooks/*.html"), *site.rglob("_sources/notebooks/*.ipynb")]:
        text = path.read_text("utf-8")
        assert launchers(text) == set() and "git clone" not in text, path


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=[pytest.mark.long] if path.stem != SHORTEST else [])
        for path in NOTEBOOKS
    ],
)
def test_a_download_runs_on_its_own(site, tmp_path, name):
    """In a folder with nothing else in it, and in a kernel that has the package."""
    notebook = nbformat.read(site / "fa" / "_sources" / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()


def git(folder, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_branch_that_the_buttons_open_has_the_code_and_each_editions_notebooks(tmp_path):
    """A second push takes the place of the first."""
    hub, work, site = (tmp_path / name for name in ("hub.git", "work", "site"))
    git(tmp_path, "init", "--quiet", "--bare", hub.name)
    git(tmp_path, "clone", "--quiet", str(hub), work.name)
    (work / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "editions", work / ".ci")
    git(work, "add", ".")
    git(work, "-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "-m", "Begin")
    code = git(work, "rev-parse", "HEAD")
    for content in ("first", "second"):
        for language in build.LANGUAGES:
            folder = site / language / "_sources" / "notebooks"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "01.ipynb").write_text(f"{content} {language}", "utf-8")
        git(work, "checkout", "--quiet", code.strip())
        subprocess.run([work / ".ci" / "editions", site], check=True, capture_output=True)
        for language in build.LANGUAGES:
            shown = git(hub, "show", f"editions:editions/{language}/notebooks/01.ipynb")
            assert shown == f"{content} {language}"
        assert git(hub, "rev-parse", "editions~1") == code


def test_binder_and_the_container_have_a_python_that_fits():
    wanted = SpecifierSet(
        tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    )
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert re.fullmatch(r"python:(3\.\d+)-\w+", container["image"])[1] + ".1" in wanted
    assert container["postCreateCommand"] == "make setup"
    assert (ROOT / "postBuild").stat().st_mode & 0o111, "Binder runs it only if it may be run"
