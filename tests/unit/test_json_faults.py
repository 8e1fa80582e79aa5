"""What a stranger may have written into the JSON files of a run: one line that names the file, at once."""

import json
import os
import re

import pytest
from faults import cases, fault
from untrained import CONFIGS, LOADERS

from hw2lib import memory
from hw2lib.errors import UserError
from hw2lib.jobs.evaluate import is_evaluated
from hw2lib.jobs.trained import load_cyclegan, load_flow, load_vae, run_kind
from hw2lib.runs.folder import RunFolder
from hw2lib.runs.reader import RecordedCycleGAN, RecordedRun, paper_root
from hw2lib.runs.schema import CycleGANMetrics, Environment, Metrics, Settings, metrics_of
from hw2lib.schema import read_json, validated_model

CONTENTS = {
    "5": "a number",
    "null": "null",
    "{}": "an empty object",
    "[]": "an empty list",
    '"text"': "a text",
    "": "nothing",
    "{": "half an object",
    "[" * 100_000: "100,000 brackets",
    '{"a":' * 100_000: "100,000 nested objects",
    '{"seed": NaN}': "NaN, which is no JSON",
    '{"seed": 1e999}': "a number that is too large",
    '{"seed": 1, "seed": 2}': "a name twice",
    '{"seed": "1"}': "a number in quotes",
    '{"seed": ' + "9" * 5000 + "}": "a number of 5,000 digits",
    "\0\0\0": "zeros",
    '\ufeff{"seed": 1}': "a byte order mark",
    '{"data": 5, "test": 5, "translation": 5, "size": true}': "numbers in place of objects and lists",
    '{"data": {"checksum": null}, "test": [1], "seed": [0]}': "null in place of a text",
}
JSON = {
    f"{name}-{k}": (f"{name} of a run holds {what}", "the file is overwritten", name, text)
    for name in ("config.json", "environment.json", "metrics.json")
    for k, (text, what) in enumerate(CONTENTS.items())
}
NAMED = "One line names the file; nothing is built."
READERS = {"config.json": Settings, "environment.json": Environment, "metrics.json": CycleGANMetrics}


def one_line(call, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


@pytest.mark.parametrize("name, text", cases("json", NAMED, JSON))
def test_a_file_of_another_form_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    assert one_line(read_json, tmp_path / name, READERS[name]).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("text", CONTENTS, ids=CONTENTS.values())
def test_all_readers_name_it(untrained_copy, text):
    """Those that load a model, go on with a run, evaluate it, and show its record."""
    run = untrained_copy("cyclegan")
    (run / "config.json").write_text(text, "utf-8")
    for call in (run_kind, load_flow, load_vae, load_cyclegan, lambda run: RecordedRun(run).config):
        assert one_line(call, run).startswith(f"{run}")
    (run / "environment.json").write_text(text, "utf-8")
    place = run / "environment.json"
    for kind in (RecordedRun, RunFolder):
        assert one_line(getattr, kind(run), "environment").startswith(f"{place}: ")
    (run / "metrics.json").write_text(text, "utf-8")
    (run / "translations.csv").write_text("", "utf-8")
    for call in (is_evaluated, lambda run: RecordedCycleGAN(run).metrics):
        assert one_line(call, run).startswith(f"{run / 'metrics.json'}: ")


OTHER_SIZES = {
    f"{kind}-{name}": (
        f"{name}={value} in config.json beside weights of another {name}",
        "config.json is edited",
        kind,
        name,
        value,
    )
    for kind, name, value in (
        ("maf", "size", 12),
        ("maf", "hidden_features", [9]),
        ("maf", "hidden_features", [8, 8]),
        ("maf", "transforms", 3),
        ("vae", "size", 16),
        ("vae", "latent", 3),
        ("vae", "channels", [5]),
        ("cyclegan", "features", 3),
        ("cyclegan", "blocks", 2),
    )
}


@pytest.mark.parametrize(
    "kind, name, value",
    cases("json", "The header of the weights says otherwise, in one line; nothing is built.", OTHER_SIZES),
)
def test_settings_are_compared_with_the_header_first(untrained_copy, monkeypatch, kind, name, value):
    run = untrained_copy(kind)
    config = read_json(run / "config.json") | {name: value}
    (run / "config.json").write_text(json.dumps(config), "utf-8")
    for loader in ("load_weights", "load_part"):
        monkeypatch.setattr(f"hw2lib.jobs.trained.{loader}", lambda *_: pytest.fail("was built"))
    assert "another model" in one_line(LOADERS[kind], run)


@fault(
    "json", "size=100000 in config.json", "config.json is edited", "The memory that it would need is said."
)
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_size_that_no_machine_holds_allocates_nothing(untrained_copy, monkeypatch, kind):
    run = untrained_copy(kind)
    config = read_json(run / "config.json") | {"size": 100_000_000}
    (run / "config.json").write_text(json.dumps(config), "utf-8")
    monkeypatch.setattr(memory, "machine_bytes", lambda: 10**12)
    assert "size=100000000: would need at least " in one_line(LOADERS[kind], run)


@fault("json", "NaN or null in config.json", "config.json is edited", NAMED)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "null", '"1e-4"', "true", "[]"])
def test_settings_of_a_run_are_finite_numbers(untrained_copy, value):
    run = untrained_copy("maf")
    text = (run / "config.json").read_text("utf-8")
    (run / "config.json").write_text(text.replace("0.0001", value), "utf-8")
    assert value in (run / "config.json").read_text("utf-8")
    assert one_line(load_flow, run).startswith(f"{run / 'config.json'}: ")


@fault("json", "config.json is a folder, a pipe or a broken link", "it is put in its place", NAMED)
def test_what_is_no_plain_file_is_not_waited_for(tmp_path):
    path = tmp_path / "config.json"
    path.mkdir()
    assert one_line(read_json, path) == f"{path}: is not a plain file"
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        assert one_line(read_json, path) == f"{path}: is not a plain file"
        path.unlink()
    path.symlink_to(path)
    assert one_line(read_json, path).startswith(f"{path}: cannot be read: ")


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_run_that_is_whole_is_loaded(untrained, kind):
    model, config = LOADERS[kind](untrained / kind)
    assert config == CONFIGS[kind] and next(model.parameters()).device.type == "cpu"


def damaged(value: object):
    """The value with one thing in it spoilt, for each of its things."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield value | {name: "text" if isinstance(inner, float) else 5.5}
        for changed in damaged(inner):
            yield value | {name: changed}


RECORDED = {
    re.sub("/seed-.*", "", path.parent.relative_to(paper_root()).as_posix()): path
    for path in paper_root().rglob("metrics.json")
}


def test_every_recorded_file_has_its_form():
    for path in sorted(paper_root().rglob("*.json")):
        of_run = metrics_of(path.parent) if path.name == "metrics.json" else READERS.get(path.name)
        assert path.parent.name == "bench-cyclegan" or of_run not in (None, Metrics), f"{path}: has no schema"
        read_json(path, of_run)


@fault(
    "json",
    "the metrics of a run of any kind hold something else",
    "at every place a number stands for an object, and a text for a number",
    "A record of that job is refused in one line that names the file.",
)
@pytest.mark.parametrize("job", sorted(RECORDED))
def test_metrics_of_every_kind_have_a_schema(tmp_path, job):
    metrics, schema = read_json(RECORDED[job]), metrics_of(tmp_path / job)
    for changed in damaged(metrics):
        message = one_line(validated_model, schema, changed, "metrics.json:")
        assert message.startswith("metrics.json: ")
    (tmp_path / "metrics.json").write_text(json.dumps(changed), "utf-8")
    assert one_line(read_json, tmp_path / "metrics.json", schema).startswith(f"{tmp_path / 'metrics.json'}: ")
