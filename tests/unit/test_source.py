"""What the source never does: load what could run code, evaluate text, start a shell, reach out unasked."""

import ast
import os
import socket
import subprocess
import sys

import pytest
from faults import cases, fault
from network import is_loopback
from prose import ROOT

FOLDERS = ("hw2lib", "book", "tests")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))] + [
    ROOT / "conftest.py"
]
# Whoever opens a connection; everything else gets its bytes from here.
CONNECTING = {"hw2lib/data/transfer.py", "hw2lib/data/download.py"}
HASHING = {"hw2lib/data/checksums.py": {"pooch"}}
NETWORK = {
    "urllib.request",
    "http.client",
    "requests",
    "httpx",
    "aiohttp",
    "pooch",
    "socket",
    "ftplib",
    "smtplib",
}
NETWORK |= {"huggingface_hub", "torch.hub", "wget", "paramiko", "urllib3", "websockets", "xmlrpc.client"}
CODE = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle"}
CALLS = {
    "eval": "evaluates text",
    "exec": "runs text",
    "compile": "compiles text",
    "__import__": "imports what a text names",
    "yaml.load": "builds any object",
    "yaml.load_all": "builds any object",
    "yaml.unsafe_load": "builds any object",
    "yaml.full_load": "builds more than data",
    "os.system": "starts a shell",
    "os.popen": "starts a shell",
    "subprocess.getoutput": "starts a shell",
    "subprocess.getstatusoutput": "starts a shell",
    "pd.read_pickle": "builds any object",
    "pandas.read_pickle": "builds any object",
    "tempfile.mktemp": "names a file that somebody else may make first",
    "torch.hub.load": "fetches and runs code",
    "torch.jit.load": "loads code",
    "torch.package.PackageImporter": "loads code",
}
TEXT_METHODS = {"read_text": 0, "write_text": 1}


def dotted(node: ast.AST) -> str:
    """The name of what is called, as far as it is one."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults_of(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and reason of everything in a module that is not allowed anywhere."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            found += [
                (node.lineno, f"{name} runs what it loads") for name in names if name.split(".")[0] in CODE
            ]
        if not isinstance(node, ast.Call):
            continue
        name, options = dotted(node.func), {word.arg: word.value for word in node.keywords}
        if name in CALLS:
            found.append((node.lineno, f"{name} {CALLS[name]}"))
        if "shell" in options and getattr(options["shell"], "value", True) is not False:
            found.append((node.lineno, "shell=True starts a shell"))
        if name == "torch.load" and getattr(options.get("weights_only"), "value", None) is not True:
            found.append((node.lineno, "torch.load without weights_only=True builds any object"))
        if "allow_pickle" in options and getattr(options["allow_pickle"], "value", True) is not False:
            found.append((node.lineno, "allow_pickle builds any object"))
        if "trust_remote_code" in options:
            found.append((node.lineno, "trust_remote_code runs what it fetches"))
        if name.endswith((".extractall", ".extract")) and "filter" not in options:
            found.append((node.lineno, f"{name} without a filter leaves its folder"))
        method = name.rpartition(".")[2] if isinstance(node.func, ast.Attribute) else ""
        if method in TEXT_METHODS and "encoding" not in options and len(node.args) <= TEXT_METHODS[method]:
            found.append((node.lineno, f"{method} in the encoding of whoever runs it"))
        if (
            name in ("open", "io.open", "os.fdopen")
            and _is_text(node.args, options)
            and "encoding" not in options
        ):
            found.append((node.lineno, "open in the encoding of whoever runs it"))
    return found


def _is_text(arguments: list[ast.expr], options: dict) -> bool:
    mode = options.get("mode", arguments[1] if len(arguments) > 1 else ast.Constant("r"))
    modes = [part.value for part in ast.walk(mode) if isinstance(part, ast.Constant)]
    return not any(isinstance(text, str) and "b" in text for text in modes)


def is_test(path) -> bool:
    return path.is_relative_to(ROOT / "tests")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_could_run_a_stranger_s_code(path):
    found = [f"line {line}: {reason}" for line, reason in faults_of(ast.parse(path.read_text("utf-8")))]
    if is_test(path):  # which write what is to be refused, and read what they wrote
        found = [line for line in found if "encoding" not in line and "extract" not in line]
        found = [line for line in found if not ("pickle" in line and path.stem in ALLOWED_TO_PICKLE)]
    assert found == []


# Tests that make the malicious files whose refusal they look at.
ALLOWED_TO_PICKLE = {"test_checkpoint_faults", "test_checkpoints", "test_strangers", "test_training_faults"}
FOUND = "`make check` names the line."
PLANTED = {
    "eval": ("source that evaluates text", "eval('1')"),
    "exec": ("source that runs text", "exec('x = 1')"),
    "pickle": ("source that loads pickles", "import pickle"),
    "from-pickle": ("source that loads pickles by another name", "from pickle import loads"),
    "joblib": ("source that loads pickles of joblib", "import joblib"),
    "torch-load": ("source that loads any object of torch", "torch.load('x')"),
    "weights-only": ("source that asks torch for any object", "torch.load('x', weights_only=False)"),
    "numpy": ("source that loads objects of numpy", "np.load('x', allow_pickle=True)"),
    "yaml": ("source that builds objects from YAML", "yaml.load(text)"),
    "unsafe-yaml": ("source that builds any object from YAML", "yaml.unsafe_load(text)"),
    "shell": ("source that starts a shell", "subprocess.run('ls', shell=True)"),
    "system": ("source that starts a shell by os.system", "os.system('ls')"),
    "extract": ("source that unpacks without a filter", "archive.extractall('x')"),
    "read": ("source that reads in whatever encoding", "path.read_text()"),
    "write": ("source that writes in whatever encoding", "path.write_text('x')"),
    "open": ("source that opens in whatever encoding", "open('x', 'w')"),
}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            code,
            id=name,
            marks=fault("source", what, f"`{code}` in a module", "`make check` names the line."),
        )
        for name, (what, code) in PLANTED.items()
    ],
)
def test_what_is_planted_is_found(code):
    assert [line for line, _ in faults_of(ast.parse(code))] == [1]


def test_what_is_harmless_is_not_found():
    harmless = [
        "torch.load('x', weights_only=True)",
        "yaml.safe_load(text)",
        "path.read_text('utf-8')",
        "path.write_text('x', encoding='utf-8')",
        "open('x', 'rb')",
        "open('x', 'ab' if first else 'wb')",
        "subprocess.run(['ls'], shell=False)",
        "model.eval()",
        "re.compile('x')",
    ]
    for code in harmless:
        assert faults_of(ast.parse(code)) == [], code


def test_one_module_opens_connections():
    for path in SOURCES:
        if is_test(path):
            continue
        names = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        name = str(path.relative_to(ROOT))
        found = names & NETWORK - HASHING.get(name, set())
        assert not found or name in CONNECTING, f"{name}: {found}"


HOSTS = {
    "address": ("a test that connects to another machine", "a socket to 192.0.2.1", ("192.0.2.1", 80)),
    "six": (
        "a test that connects to another machine by IPv6",
        "a socket to 2001:db8::1",
        ("2001:db8::1", 80),
    ),
    "name": ("a test that looks up a name", "a socket to example.invalid", ("example.invalid", 80)),
}


@pytest.mark.parametrize("address", cases("source", "It fails at once, as without a network.", HOSTS))
def test_tests_reach_no_other_machine(address):
    with pytest.raises(OSError, match="unreachable|not known"):
        socket.create_connection(address, timeout=5)
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")


@pytest.mark.slow
@fault(
    "source",
    "an import that reaches for the network",
    "all sockets are refused while every module is imported",
    "All are imported.",
)
def test_no_module_connects_when_it_is_imported():
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "hw2lib").rglob("*.py")
        if path.stem not in ("__main__", "peers")
    )
    program = f"""
import importlib, socket
def refuse(*arguments, **options):
    raise AssertionError("a connection")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
for name in {modules!r}:
    importlib.import_module(name)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
