"""A loop shared out among threads: every part once, in the calling thread's place if need be."""

import threading

import pytest
import torch

from hw2lib.cyclegan import threads


@pytest.fixture(params=["openmp", "python"], autouse=True)
def runtime(request, monkeypatch):
    if request.param == "python":
        monkeypatch.setattr(threads, "_openmp", lambda: None)
    elif threads._openmp() is None:
        pytest.skip("torch has no GNU OpenMP here")


@pytest.fixture(params=[1, 2, 5])
def number(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("parts", [1, 2, 3, 17])
def test_every_part_is_done_once(number, parts):
    done, lock = [], threading.Lock()

    def work(lo, hi):
        with lock:
            done.append((lo, hi))

    threads.share_out(work, parts)
    assert sorted(part for lo, hi in done for part in range(lo, hi)) == list(range(parts))
    assert len(done) <= number


def test_threads_work_at_the_same_time():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        meeting = threading.Barrier(2, timeout=30)
        threads.share_out(lambda lo, hi: meeting.wait(), 2)  # a single thread would wait for itself
    finally:
        torch.set_num_threads(before)


def test_what_a_part_raises_reaches_the_caller(number):
    def work(lo, hi):
        raise ArithmeticError(f"part {lo}")

    with pytest.raises(ArithmeticError, match="part"):
        threads.share_out(work, 4)
