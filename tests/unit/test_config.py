"""Settings of a run: profiles, assignments, and one line for what does not fit."""

import pytest

from hw2lib.errors import UserError
from hw2lib.training.settings import CYCLEGAN_PROFILES, PROFILES, MAFConfig, override, profile, validated


def test_the_paper_profile_is_the_table_of_the_report():
    paper = profile("paper")
    assert paper == MAFConfig()
    assert (paper.size, paper.hidden_features, paper.transforms) == (128, (512, 512), 7)
    assert (paper.batch_size, paper.learning_rate, paper.epochs) == (64, 1e-4, 50)
    assert paper.validation_fraction == 0.1 and paper.evaluate_epochs[-1] == 50


def test_unknown_profiles_are_named():
    with pytest.raises(UserError, match="profile 'big': expected one of paper, quick"):
        profile("big")


def test_assignments_are_read_as_json():
    config = override(PROFILES["quick"], ["epochs=3", "learning_rate=1.0e-2", "hidden_features=[8, 4, 2]"])
    assert (config.epochs, config.learning_rate, config.hidden_features) == (3, 0.01, (8, 4, 2))
    assert config.size == PROFILES["quick"].size
    assert override(PROFILES["quick"], []) == PROFILES["quick"]


@pytest.mark.parametrize(
    "assignment, message",
    [
        ("epochs", "--set epochs: expected key=value"),
        ("depth=3", "--set depth=3: expected key=value with a key of size, "),
        ("=3", "--set =3: expected key=value"),
        ("epochs=0", "--set epochs=0: .*greater than or equal to 1"),
        ("epochs=many", "--set epochs='many': .*integer"),
        ("epochs=2.5", "--set epochs=2.5: .*integer"),
        ("learning_rate=-1", "--set learning_rate=-1: .*greater than 0"),
        ("validation_fraction=1", "--set validation_fraction=1: .*less than 1"),
        ("layout=sparse", "--set layout='sparse': .*'staircase' or 'dense'"),
        ("hidden_features=[8, 0]", r"--set hidden_features\.1=0: .*greater than or equal to 1"),
        ("epochs=[1", r"--set epochs='\[1': .*integer"),
        ("epochs=", "--set epochs='': .*integer"),
        ("seed=1073741824", "--set seed=1073741824: .*less than 1073741824"),
    ],
)
def test_wrong_assignments_are_named_in_one_line(assignment, message):
    with pytest.raises(UserError, match=message) as caught:
        override(PROFILES["quick"], [assignment])
    assert "\n" not in str(caught.value)


def test_validated_names_the_source_and_the_value():
    with pytest.raises(UserError, match="config.json: size='wide': "):
        validated(MAFConfig, {"size": "wide"}, "config.json:")
    assert validated(MAFConfig, {"size": 16}, "config.json:").size == 16


def test_the_learning_rate_falls_within_the_run():
    with pytest.raises(UserError, match="^--set decay_epochs=5: expected at most epochs=4$"):
        override(CYCLEGAN_PROFILES["quick"], ["decay_epochs=5"])
    assert override(CYCLEGAN_PROFILES["quick"], ["decay_epochs=4"]).decay_epochs == 4
