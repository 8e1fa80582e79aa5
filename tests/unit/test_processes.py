"""What the project's processes set before anything else: how threads wait, what a terminal cannot show."""

import json
import os
import re
import subprocess
import sys

import jupytext
import nbformat
import pytest
from faults import fault
from prose import ROOT

from hw2lib.waiting import CHOICES, wait_passively

COMMAND = "import sys; from hw2lib.cli import main; sys.argv[0] = 'hw2'; main()"
THEN_TORCH = """
import sys
from hw2lib.cli import main
assert "torch" not in sys.modules, "too late to choose how its threads wait"
sys.argv = ["hw2", "--version"]
try:
    main()
except SystemExit:
    import torch
"""


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the interpreter with nothing chosen about waiting but what is given."""
    clean = {key: value for key, value in os.environ.items() if key not in CHOICES}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=clean | environment, capture_output=True
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")], ids=["ours", "user's"]
)
def test_the_command_tells_torch_how_to_wait(chosen, policy):
    """As the OpenMP runtime itself reports it when torch loads it."""
    told = python("-c", THEN_TORCH, OMP_DISPLAY_ENV="TRUE", **chosen).stderr.decode()
    assert re.findall(r"OMP_WAIT_POLICY *= *'(\w+)'", told) == [policy], told


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_of_the_user_stays(name):
    environment = {name: "5"}
    wait_passively(environment)
    assert environment == {name: "5"}


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["notebooks", "tests/unit/test_hygiene.py"])
def test_pytest_and_its_kernels_wait_passively(folder):
    code = f"import os, pytest; pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', {folder!r}])"
    told = python("-c", f"{code}; print(os.environ['OMP_WAIT_POLICY'])").stdout.decode()
    assert told.splitlines()[-1] == "PASSIVE"


@pytest.mark.slow
def test_notebook_kernels_wait_passively(tmp_path):
    """Those that book/notebooks.py starts."""
    code = f"""
import importlib.util, pathlib, sys
sys.path.insert(0, "book")
spec = importlib.util.spec_from_file_location("script", "book/notebooks.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
script.SOURCES = script.FRESH = pathlib.Path({str(tmp_path)!r})
sys.argv = ["notebooks.py", "run"]
script.main()
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%env OMP_WAIT_POLICY")])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    jupytext.write(notebook, tmp_path / "tiny.md", fmt="md:myst")
    done = python("-c", code)
    assert done.returncode == 0, done.stderr.decode()
    ran = nbformat.read(tmp_path / "tiny.ipynb", as_version=4)
    assert ran.cells[0].outputs[0].data["text/plain"] == "'PASSIVE'"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("arguments", [("claims",), ("score", "--help"), ("ناموجود",)], ids=" ".join)
def test_a_terminal_that_lacks_a_character_is_no_traceback(encoding, arguments):
    done = python("-c", COMMAND, *arguments, PYTHONIOENCODING=encoding)
    assert b"Traceback" not in done.stderr, done.stderr.decode(encoding)
    assert done.returncode == (2 if arguments == ("ناموجود",) else 0)
    (done.stdout + done.stderr).decode(encoding)


def test_json_stays_json_in_a_narrow_encoding():
    """A character that is missing is written as JSON writes it: λ as \\u03bb."""

    def printed(encoding):
        done = python("-c", COMMAND, "claims", "--json", PYTHONIOENCODING=encoding)
        return json.loads(done.stdout.decode(encoding))

    assert printed("cp1252") == printed("utf-8") != []


PRESSED = """
import signal, sys

class Pressing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Pressing())
from hw2lib.cli import main
sys.argv = ["hw2", *{arguments!r}]
main()
"""


@fault(
    "command",
    "Ctrl-C in the first second, while the libraries are loaded",
    "SIGINT at the import of typer, of a verb, of PyYAML, numpy, torch and Numba",
    "`hw2: interrupted`, exit code 130.",
)
@pytest.mark.parametrize(
    "module, arguments",
    [
        ("typer", ["claims"]),
        ("hw2lib.cli.train", ["--help"]),
        ("numpy", ["sample", "no"]),
        ("torch", ["sample", "no"]),
        pytest.param("yaml", ["claims"], marks=pytest.mark.slow),
        pytest.param("numba", ["sample", "no"], marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_while_libraries_are_loaded_is_one_line(module, arguments):
    done = python("-c", PRESSED.format(module=module, arguments=arguments))
    assert (done.returncode, done.stderr.decode()) == (130, "hw2: interrupted\n")
