"""Runs that are killed (SIGKILL) at any moment, in the middle of writing as well, and go on to the bit."""

import multiprocessing
import os
import random
import signal
from pathlib import Path

import checkpoints
import pytest
import tiny_runs
import torch
from faults import fault

# Children are forked from a process that has read the library, which takes each of them seconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([f"hw2lib.jobs.{model}" for model in tiny_runs.MODELS])
MODELS = sorted(tiny_runs.MODELS)
# What a writer of files calls, in this order.
CALLS = ("touch", "save_file", "half", "chmod", "fsync", "replace", "after")


def die_at(call: str, count: int) -> None:
    """Kill this process at its ``count``-th call of this kind; of ``half``, with half of the file written."""
    from hw2lib.runs import checkpoint, folder

    left = [count]

    def dying(function, kind: str):
        def replacement(*arguments, **named):
            if kind == call:
                left[0] -= 1
            if left[0] > 0 or kind != call or call == "after":
                found = function(*arguments, **named)
                if kind == call == "after" and left[0] <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return found
            if call == "half":
                function(*arguments, **named)
                path = Path(arguments[1])
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        return replacement

    if call in ("save_file", "half"):
        checkpoint.save_file = dying(checkpoint.save_file, call)
    elif call in ("replace", "after"):
        folder.os.replace = dying(os.replace, call)
    elif call == "fsync":
        folder.os.fsync = dying(os.fsync, call)
    else:
        setattr(Path, call, dying(getattr(Path, call), call))


def work(model: str, out: Path, call: str = "", count: int = 0) -> None:
    if call:
        die_at(call, count)
    tiny_runs.work(model, out)


def killed(model: str, out: Path, chance: random.Random, by_clock: bool) -> bool:
    """Let a process go on with a run and kill it at some moment; whether it came to that."""
    if by_clock:
        process = CONTEXT.Process(target=work, args=(model, out))
        process.start()
        process.join(chance.uniform(0.02, 1.5))
        process.kill()
    else:
        call = chance.choice(CALLS)
        process = CONTEXT.Process(target=work, args=(model, out, call, chance.randrange(1, 9)))
        process.start()
    process.join(600)
    assert process.exitcode in (0, -signal.SIGKILL), "a run that was killed goes on without an error"
    return process.exitcode != 0


def survive(model: str, made: Path, kills: int) -> None:
    """Kill runs so often; each, once it ends, has to equal one that nobody killed."""
    whole, chance, done, runs = made / "whole", random.Random(model), 0, 0
    process = CONTEXT.Process(target=work, args=(model, whole))
    process.start()
    process.join(600)
    assert process.exitcode == 0
    expected, progress = checkpoints.tensors(whole), checkpoints.progress(whole)
    while done < kills:
        out, runs = made / str(runs), runs + 1
        while (came := killed(model, out, chance, by_clock=bool(done % 2))) and done < kills:
            done += 1
        if came:  # the last of them
            process = CONTEXT.Process(target=work, args=(model, out))
            process.start()
            process.join(600)
            assert process.exitcode == 0
        found = checkpoints.tensors(out)
        assert expected.keys() == found.keys()
        assert all(torch.equal(value, found[name]) for name, value in expected.items())
        rows = [[{**r, "seconds": 0} for r in p["losses"]] for p in (progress, checkpoints.progress(out))]
        assert rows[0] == rows[1]
        assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
        for name in ("scores.csv", "translations.csv", "auroc.csv", "config.json"):
            if (whole / name).exists():
                assert (out / name).read_bytes() == (whole / name).read_bytes(), name


def killing(how: str):
    return fault(
        "run",
        "kill -9 while a run trains, writes or measures",
        f"{how}, half of them within the writing of a file: before, half-way, before and after its renaming",
        "Every folder loads; the run that goes on ends equal to the bit, and leaves the same files.",
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@killing("7 kills of each trainer")
def test_a_killed_run_goes_on_to_the_bit(model, tmp_path):
    survive(model, tmp_path, kills=7)


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
@killing("67 kills of each trainer")
def test_a_run_that_is_killed_again_and_again_goes_on_to_the_bit(model, tmp_path):
    survive(model, tmp_path, kills=67)
