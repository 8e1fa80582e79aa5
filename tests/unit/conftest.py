"""Fixtures of the unit tests: the command, and a server that offers an archive, rightly or wrongly."""

import http.server
import re
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_runs
from untrained import write_runs

from hw2lib.translation import classifier


@pytest.fixture
def hw2(monkeypatch, capsys, tmp_path):
    """Run the command in an empty folder; its exit code, and what it printed and complained."""
    from hw2lib.cli import main

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hw2", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        captured = capsys.readouterr()
        return exit.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def server(monkeypatch):
    """Serves ``body``; every answer breaks off after ``cut`` bytes; ``asked`` are the Range headers.

    ``status`` and ``reason`` replace the answer, ``headers`` are added to it, ``shift`` is how far beside the
    byte asked for it goes on, and ``silent`` leaves out the length.
    """
    from hw2lib.data import transfer

    state = SimpleNamespace(body=b"", cut=None, ranges=True, status=None, reason=None, asked=[])
    state.headers, state.shift, state.silent = {}, 0, False

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.status:
                self.send_response(state.status, state.reason)
                self.send_header("Content-Length", "0")
                return self.end_headers()
            first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and state.ranges else 0
            size = len(state.body)
            if first >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206 if first else 200)
            if first:
                first += state.shift
                self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
            if not state.silent:
                self.send_header("Content-Length", str(size - first))
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.body[first:][: state.cut])

        def log_message(self, *_):
            pass

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(transfer, "RETRY_SECONDS", 0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        state.url = f"http://127.0.0.1:{httpd.server_port}/capsule.tar.xz"
        yield state
        httpd.shutdown()


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> Path:
    """A folder with a run of each kind, ``maf``, ``vae`` and ``cyclegan``; the weights are as drawn."""
    return write_runs(tmp_path_factory.mktemp("untrained"))


@pytest.fixture
def untrained_copy(untrained, tmp_path) -> Callable[[str], Path]:
    """A function that copies one of these runs, to be damaged."""
    return lambda kind: Path(shutil.copytree(untrained / kind, tmp_path / kind))


@pytest.fixture(scope="module")
def hasty_classifier():
    """A classifier that has hardly been trained: what it says is not tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "LEAST_STEPS", 2)
        yield


@pytest.fixture(scope="module")
def hasty():
    """Runs whose classifier learns nothing, and of which every step leaves a checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        tiny_runs.hasten(patch.setattr)
        yield


@pytest.fixture(scope="module")
def four_steps(tmp_path_factory, hasty):
    """Per model, the folder of a run that was stopped in the first step of its second epoch."""
    made = tmp_path_factory.mktemp("stopped")
    for model in tiny_runs.MODELS:
        assert not tiny_runs.train(model, made / model, report=tiny_runs.stop_after(tiny_runs.STEPS + 1))
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory, hasty):
    """Per model, the folder of an uninterrupted run."""
    made = tmp_path_factory.mktemp("whole")
    for model in tiny_runs.MODELS:
        assert tiny_runs.train(model, made / model)
    return made


@pytest.fixture(params=sorted(tiny_runs.MODELS))
def stopped(request, four_steps, tmp_path):
    """A copy of a stopped run, to be spoiled; its folder has the model's name."""
    return shutil.copytree(four_steps / request.param, tmp_path / request.param)
