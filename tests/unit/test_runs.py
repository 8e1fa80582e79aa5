"""What runs of every kind share: their folder and its files, Ctrl-C, the peak of memory."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hw2lib.errors import UserError
from hw2lib.jobs.trained import cyclegan_config
from hw2lib.runs.folder import RunFolder, commit, read_json, write_bytes, write_csv, write_json
from hw2lib.runs.images import save_grid
from hw2lib.training.interrupt import interruptible
from hw2lib.training.memory import peak_memory_gb
from hw2lib.training.settings import MAFConfig


def test_a_second_interrupt_stops_at_once_and_handlers_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible() as interrupt:
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.requested
        signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_signals_are_left_alone_outside_the_main_thread():
    handler, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with interruptible() as interrupt:
            seen.extend([interrupt.requested, signal.getsignal(signal.SIGINT) is handler])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, True]


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("words")
    with pytest.raises(UserError, match="is not a folder"):
        RunFolder(tmp_path / "file").__enter__()


def test_a_file_in_place_of_a_parent_folder(tmp_path):
    (tmp_path / "file").write_text("words")
    with pytest.raises(UserError, match="file/run: cannot be created: Not a directory"):
        RunFolder(tmp_path / "file" / "run").__enter__()


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    write_json(path, {"a": "نمونه"})
    assert read_json(path) == {"a": "نمونه"} and "نمونه" in path.read_text("utf-8")
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": "نمونه"}

    def full(source, target):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="metrics.json: cannot be written: no space left"):
        write_bytes(path, b"half")
    assert read_json(path) == {"a": "نمونه"}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_tables_keep_seven_digits(tmp_path):
    write_csv(tmp_path / "t.csv", [{"name": "a, b", "x": 1 / 3, "n": 12345678}])
    assert (tmp_path / "t.csv").read_text() == 'name,x,n\n"a, b",0.3333333,12345678\n'


def test_grids_have_the_asked_columns(tmp_path):
    images = torch.arange(4, dtype=torch.uint8).reshape(4, 1, 1, 1).expand(4, 3, 8, 8) * 50
    save_grid(tmp_path / "grid.png", images, columns=2)
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    assert pixels.shape == (22, 22, 3)
    assert [int(pixels[y, x, 0]) for y in (5, 15) for x in (5, 15)] == [0, 50, 100, 150]
    assert pixels[0, 0, 0] == 255


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_peak_of_memory_is_what_the_kernel_says():
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    assert peak_memory_gb() == pytest.approx(kilobytes * 1024 / 1e9, rel=0.05)


def test_a_run_of_another_kind_is_named(tmp_path):
    write_json(tmp_path / "config.json", MAFConfig().model_dump())
    with pytest.raises(UserError, match="is a run of kind maf; expected cyclegan"):
        cyclegan_config(tmp_path)


def test_a_record_that_was_just_written_does_not_make_the_next_one_dirty(tmp_path):
    def git(*arguments):
        who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    for name in ("code.py", "results/SHA256SUMS"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    assert commit(tmp_path) is None
    git("init")
    git("add", ".")
    git("commit", "--message=one")
    clean = commit(tmp_path)
    assert len(clean) == 12
    (tmp_path / "results/SHA256SUMS").write_text("two")
    assert commit(tmp_path) == clean
    (tmp_path / "code.py").write_text("two")
    assert commit(tmp_path) == f"{clean}-dirty"
