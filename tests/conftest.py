"""Fixtures that several tests share: a tiny category in the folder layout of MVTec AD."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from faults import rows
from hypothesis import settings
from network import allow_only_loopback
from PIL import Image

# These tests multiply small matrices: a second thread waits more than it works.
torch.set_num_threads(1)

# A shell that starts the tests in the background lets them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Every run tries the same examples, however long one takes on a busy machine.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


def pytest_addoption(parser) -> None:
    parser.addoption("--write-faults", type=Path, help="write the table of faults that the tests try (YAML)")


def pytest_collection_finish(session) -> None:
    if path := session.config.getoption("--write-faults"):
        text = yaml.safe_dump(rows(session.items), allow_unicode=True, sort_keys=False, width=110)
        path.write_text(
            f"# Made by: pytest tests --collect-only --write-faults book/faults.yml\n{text}", "utf-8"
        )


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Whatever a test calls finds nothing but this machine."""
    with pytest.MonkeyPatch.context() as patch:
        allow_only_loopback(patch)
        yield


DEFECTS = ("crack", "scratch")


def photograph(
    mode: str, size: tuple[int, int], rng: np.random.Generator, brightness: int = 0
) -> Image.Image:
    """A grey disc on a dark ground with noise, in the given PIL mode; size is (width, height)."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(size) / 3) ** 2
    values = np.clip(60 + 90 * disc + brightness + rng.integers(0, 25, (height, width)), 0, 255)
    if mode == "I;16":
        return Image.fromarray((values * 257).astype(np.uint16))
    rgb = np.stack([values, np.clip(values + 20, 0, 255), values // 2], axis=-1).astype(np.uint8)
    if mode == "RGBA":
        alpha = np.full((height, width, 1), 255, dtype=np.uint8)
        alpha[0, :] = 0  # the first row is transparent
        return Image.fromarray(np.concatenate([rgb, alpha], axis=-1))
    return Image.fromarray(rgb).convert(mode)


@pytest.fixture
def write_category(tmp_path) -> Callable[..., Path]:
    """A function that writes a category with two kinds of defects and their masks, and returns its folder."""

    def write(
        name: str = "widget",
        mode: str = "RGB",
        size: tuple[int, int] = (12, 10),
        train: int = 20,
        test: int = 4,
        seed: int = 0,
    ) -> Path:
        root, rng = tmp_path / name, np.random.default_rng(seed)
        for folder in ("train/good", "test/good"):
            (root / folder).mkdir(parents=True)
        for k in range(train):
            photograph(mode, size, rng).save(root / "train" / "good" / f"{k:03}.png")
        for k in range(test):
            photograph(mode, size, rng).save(root / "test" / "good" / f"{k:03}.png")
        for defect, brightness in zip(DEFECTS, (60, -60), strict=True):
            (root / "test" / defect).mkdir()
            (root / "ground_truth" / defect).mkdir(parents=True)
            for k in range(test):
                photograph(mode, size, rng, brightness).save(root / "test" / defect / f"{k:03}.png")
                mask = np.zeros((size[1], size[0]), dtype=np.uint8)
                mask[size[1] // 2 :, : size[0] // 2] = 255
                Image.fromarray(mask).save(root / "ground_truth" / defect / f"{k:03}_mask.png")
        return root

    return write


@pytest.fixture
def category(write_category) -> Path:
    """The folder of a tiny RGB category: 20 training images, 4 good ones, 4 of each defect."""
    return write_category()


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
        ),
    ]
)
def device(request) -> str:
    """Each device that the flows run on."""
    return request.param
