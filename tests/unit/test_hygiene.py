"""What is tracked: no registry's address, no path of one machine, no raw images; locks that agree."""

import json
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prose import NOTEBOOKS, ROOT

MAX_LINES = 400
IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg", ".pdf", ".npy", ".npz"}
# In parts, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("npmmirror", "com"),
        ("anaconda", "org"),
        ("download", "pytorch", "org"),
        ("deb", "debian", "org"),
    )
]
REGISTRY = re.compile(
    "|".join(map(re.escape, REGISTRIES)) + "|" + "/" + "simple/|index" + "-url|index" + "_url"
)
MACHINE = re.compile(r"(?<![\w.~$}/>-])/(?:" + "|".join(("work", "root", "home", "Users")) + r")/\w")


@pytest.fixture(scope="module")
def tracked():
    """The tracked files, those deleted in the working tree left out."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # In a checkout a git that fails is an error, and its complaint is shown.
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="module")
def texts(tracked):
    """Name and text of every tracked text file."""
    found = {}
    for path in tracked:
        data = path.read_bytes()
        if b"\0" not in data:
            found[str(path.relative_to(ROOT))] = data.decode("utf-8")
    return found


def lines_with(texts, pattern):
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_registry_is_named(texts):
    assert len(texts) > 50
    assert lines_with(texts, REGISTRY) == []


def test_no_path_of_one_machine(texts):
    assert lines_with(texts, MACHINE) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (REGISTRY, "see https://" + "pypi" + ".org/x"),
        (REGISTRY, "--extra-index" + "-url http://host"),
        (MACHINE, "data = '" + "/work" + "/shared/data'"),
        (MACHINE, "cd " + "/home" + "/me"),
    ],
)
def test_the_patterns_find(pattern, line):
    assert lines_with({"file": line}, pattern)


def test_modules_stay_readable(texts):
    lengths = {name: len(text.splitlines()) for name, text in texts.items() if name.endswith(".py")}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_images_are_results_only(tracked, texts):
    """Contact sheets of model outputs, and the pictures that the README shows; no photograph, no figure."""
    shown = {
        (ROOT / target) for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", texts.get("README.md", ""))
    }
    sheets = ROOT / "results" / "paper"
    stray = [
        str(path.relative_to(ROOT))
        for path in tracked
        if path.suffix.lower() in IMAGES
        and path not in shown
        and not (path.suffix == ".png" and path.is_relative_to(sheets))
    ]
    assert stray == []


def test_readme_lists_every_chapter(texts):
    rows = re.findall(r"^\| (.*?) \|", texts["README.md"], re.M)
    listed = {number for row in rows for number in re.findall(r"(?:^|, )(\d+) ", row)}
    assert {str(int(path.stem[:2])) for path in NOTEBOOKS} <= listed


def test_readme_names_targets_and_commands_that_exist(texts):
    readme, makefile = texts["README.md"], texts["Makefile"]
    targets = set(re.findall(r"\bmake ([a-z-]+)\b", re.sub(r"data make", "", readme))) - {"them"}
    assert targets and targets <= set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for command in set(re.findall(r"bin/hw2 ((?:[a-z]+ )?[a-z]+)", readme)):
        words = command.split()
        assert hw2_knows(words) or hw2_knows(words[:1]), command


def hw2_knows(words):
    """Does the command line have this subcommand?"""
    import typer

    from hw2lib.cli import app

    group = typer.main.get_command(app)
    for word in words:
        group = getattr(group, "commands", {}).get(word)
        if group is None:
            return False
    return True


def test_make_help_prints_every_target(texts):
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    printed = {line.split()[0] for line in done.stdout.splitlines()}
    assert printed == set("help setup book check test test-all grade pdf rerun paper serve clean".split())
    phony = re.search(r"^\.PHONY: (.*)$", texts["Makefile"], re.M)[1].split()
    assert printed | {"lint"} == set(phony)


def test_every_clone_has_the_line_ends_of_scripts(tracked):
    """Also where git is told to write CRLF."""
    names = [str(path.relative_to(ROOT)) for path in tracked]
    told = subprocess.run(
        ["git", "check-attr", "eol", "--", *names], cwd=ROOT, capture_output=True, text=True, check=True
    )
    others = [line for line in told.stdout.splitlines() if not line.endswith("eol: lf")]
    assert others == []


def test_the_package_is_built_by_the_locked_setuptools(texts):
    """Every editable install, with uv, pip or conda."""
    joined = "\n".join(
        texts[name].replace("\n", " ") for name in ("README.md", "environment.yml", "Makefile")
    )
    found = re.findall(r"--no-deps(.*?)-e \.", joined)
    assert len(found) == 4
    assert all("--no-build-isolation" in options for options in found)
    assert "setuptools" in locked()


def test_every_action_is_pinned_by_its_commit(texts):
    workflows = [text for name, text in texts.items() if name.startswith(".github/workflows/")]
    uses = [line.strip(" -") for text in workflows for line in text.splitlines() if "uses:" in line]
    assert uses
    assert [
        use for use in uses if not re.fullmatch(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)
    ] == []
    steps = [
        step.get("run", "")
        for text in workflows
        for job in yaml.safe_load(text)["jobs"].values()
        for step in job["steps"]
    ]
    assert {"make check", ".ci/run"} <= {step.split(" #")[0] for step in steps}
    assert texts[".ci/run"].endswith("make book\nmake test\n")


def test_hooks_run_the_tools_of_make_check(texts):
    """From .venv, so that nothing is fetched."""
    (repository,) = yaml.safe_load(texts[".pre-commit-config.yaml"])["repos"]
    assert repository["repo"] == "local"
    entries = {hook["entry"].split(" --")[0] for hook in repository["hooks"]}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", texts["Makefile"], re.M)[1].replace(
        "$(PY)", ".venv/bin/python"
    )
    assert {line.strip("\t@").split(" --")[0].rstrip(" .") for line in lint.splitlines()} | {
        "make check"
    } == entries
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_the_citation_names_version_and_licences(texts):
    citation = yaml.safe_load(texts["CITATION.cff"])
    assert citation["version"] == project()["version"]
    assert citation["license"] == ["MIT", "CC-BY-4.0"] and citation["authors"] == [
        {"name": "The hw2 authors"}
    ]


def test_every_licence_is_there(texts):
    assert texts["LICENSE"].startswith("MIT License")
    assert "Creative Commons Attribution 4.0 International" in texts["LICENSE-text"]
    sets = ("MVTec AD", "apple2orange", "summer2winter_yosemite", "CC BY-NC-SA 4.0", "Vazirmatn")
    assert [name for name in sets if name not in texts["NOTICE"]] == []
    assert set(project()["license-files"]) == {"LICENSE", "LICENSE-text", "NOTICE"}


def locked():
    """Name, version and number of hashes of every requirement of the lock."""
    text = (ROOT / "requirements.lock").read_text("utf-8")
    found = {}
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M):
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", entry)
        if match:
            found[canonicalize_name(match[1])] = (
                match[2],
                len(re.findall(r"--hash=sha256:[0-9a-f]{64}", entry)),
            )
        else:
            assert all(line.startswith("#") or not line for line in entry.splitlines()), entry[:200]
    return found


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_lock_is_exact_and_hashed():
    requirements = locked()
    assert len(requirements) > 50
    assert [name for name, (_, hashes) in requirements.items() if hashes == 0] == []
    assert "://" not in (ROOT / "requirements.lock").read_text("utf-8")


def test_lock_holds_every_direct_dependency():
    """All but the extra `bench`, whose peers are measured only where somebody installs them."""
    extras = project()["optional-dependencies"]
    direct = project()["dependencies"] + extras["book"] + extras["test"]
    requirements, missing = locked(), []
    for requirement in map(Requirement, direct):
        version, _ = requirements.get(canonicalize_name(requirement.name), (None, 0))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            missing.append(f"{requirement}: the lock has {version}")
    assert missing == []


def test_conda_environment_agrees_with_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    node = next(Requirement(d) for d in project()["optional-dependencies"]["book"] if d.startswith("nodejs"))
    assert "python" + project()["requires-python"] in plain
    assert f"nodejs{node.specifier}" in plain
    assert pip == ["--require-hashes -r requirements.lock"]
    assert len(plain) == 3, "only the interpreter, Node and pip come from conda; the rest from the lock"


def test_npm_lock_names_no_registry():
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all(entry.get("integrity") for entry in packages.values())
    assert not [name for name, entry in packages.items() if "resolved" in entry]
