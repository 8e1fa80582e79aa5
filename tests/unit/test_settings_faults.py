"""Settings mean what they say, or are refused in one line; what cannot fit says what it would need."""

import json
import math

import pytest
from faults import cases, fault

from hw2lib import memory
from hw2lib.errors import UserError
from hw2lib.jobs.baselines import BASELINES_PROFILES
from hw2lib.memory import require_memory
from hw2lib.training.settings import CYCLEGAN_PROFILES, PROFILES, VAE_PROFILES, override, validated

NOT_FINITE = {
    f"{key}={value}": (f"`{key}` that is no number", f"`--set {key}={value}`", profiles, f"{key}={value}")
    for profiles, key, value in (
        (CYCLEGAN_PROFILES, "cycle", ".inf"),
        (CYCLEGAN_PROFILES, "cycle", "inf"),
        (CYCLEGAN_PROFILES, "identity", "Infinity"),
        (CYCLEGAN_PROFILES, "identity", "1e999"),
        (CYCLEGAN_PROFILES, "learning_rate", ".nan"),
        (CYCLEGAN_PROFILES, "betas", "[0.5, NaN]"),
        (PROFILES, "learning_rate", "NaN"),
        (PROFILES, "clip_norm", ".inf"),
        (PROFILES, "corrupted", "nan"),
        (VAE_PROFILES, "sigma_learning_rate", "-Infinity"),
        (BASELINES_PROFILES, "widths", "[1.0, Infinity]"),
    )
}
READ_OTHERWISE = {
    text[:40]: (why, f"`--set {text if len(text) <= 40 else text[:40] + '…'}`", profiles, text)
    for profiles, text, why in (
        (PROFILES, "epochs=010", "a number that YAML reads as octal 8"),
        (PROFILES, "epochs=0o10", "an octal number"),
        (PROFILES, "epochs=0x10", "a hexadecimal number"),
        (PROFILES, "epochs=0b11", "a binary number"),
        (PROFILES, "epochs=1:30", "a time that YAML reads as 90"),
        (PROFILES, "epochs=true", "a truth value for a number, which would be 1"),
        (PROFILES, "learning_rate=true", "a truth value for a fraction"),
        (PROFILES, "epochs='3'", "a number in quotes"),
        (PROFILES, 'epochs="3"', "a number in double quotes"),
        (PROFILES, "epochs=1_000", "a number with an underscore"),
        (PROFILES, "epochs=1e1", "a fraction for a whole number"),
        (PROFILES, "epochs=3.0", "a fraction without a rest for a whole number"),
        (PROFILES, "epochs=３", "a full-width digit, which Python's int reads and JSON does not"),
        (PROFILES, "epochs=3 # or 4", "a number with a comment"),
        (PROFILES, "epochs=!!python/name:os.system", "an odd YAML tag"),
        (PROFILES, "epochs=!!int 3", "a YAML tag"),
        (PROFILES, "epochs=&a 3", "a YAML anchor"),
        (PROFILES, "epochs=~", "YAML's null"),
        (PROFILES, "epochs=null", "null"),
        (PROFILES, "epochs=[3]", "a list for a number"),
        (PROFILES, "epochs={}", "an object for a number"),
        (PROFILES, "epochs=2001-01-01", "a date"),
        (PROFILES, "epochs=" + "9" * 5000, "a number of 5,000 digits"),
        (PROFILES, "epochs=" + "9" * 30, "a number that no 64 bits hold"),
        (PROFILES, "learning_rate=01.5", "a fraction that begins with 0"),
        (PROFILES, "learning_rate=1:30", "a time for a fraction"),
        (PROFILES, "hidden_features=8", "a number for a list"),
        (PROFILES, "hidden_features=[8,]", "a list with nothing after its comma"),
        (PROFILES, "hidden_features=[]", "an empty list of layers"),
        (PROFILES, "hidden_features=" + "[" * 100_000, "100,000 brackets"),
        (PROFILES, "layout=yes", "a name that YAML reads as true"),
        (PROFILES, "layout=[dense]", "a list for a name"),
        (CYCLEGAN_PROFILES, "bfloat16=yes", "YAML's yes for a truth value"),
        (CYCLEGAN_PROFILES, "bfloat16=on", "YAML's on for a truth value"),
        (CYCLEGAN_PROFILES, "bfloat16=1", "a number for a truth value"),
        (CYCLEGAN_PROFILES, "bfloat16=True", "Python's True for a truth value"),
        (CYCLEGAN_PROFILES, "gan=null", "null for a name"),
        (CYCLEGAN_PROFILES, "pool=-1", "a negative number of images"),
    )
}
TOO_LARGE = {
    text[:40]: ("a model that no machine holds", f"`--set {text}`", profiles, text)
    for profiles, text in (
        (PROFILES, "size=100000"),
        (PROFILES, "hidden_features=[2000000000]"),
        (PROFILES, "transforms=2000000000"),
        (VAE_PROFILES, "size=1000000"),
        (VAE_PROFILES, "latent=2000000000"),
        (CYCLEGAN_PROFILES, "size=10000000"),
        (CYCLEGAN_PROFILES, "features=2000000000"),
        (CYCLEGAN_PROFILES, "blocks=2000000000"),
    )
}
REFUSED = "It is refused in one line that names the setting; nothing is trained."


def refused(config, *assignments: str) -> str:
    with pytest.raises(UserError) as caught:
        override(config, assignments)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 250
    return message


@pytest.mark.parametrize("profiles, text", cases("setting", REFUSED, NOT_FINITE | READ_OTHERWISE))
def test_what_could_be_read_otherwise_is_refused(profiles, text):
    assert refused(profiles["quick"], text).startswith(f"--set {text.partition('=')[0]}")


@fault("setting", "a setting given twice", "`--set epochs=3 --set epochs=4`", REFUSED)
def test_a_setting_given_twice_is_refused():
    assert refused(PROFILES["quick"], "epochs=3", "epochs=4") == "--set epochs=4: epochs is given twice"


def test_what_people_write_is_read():
    fractions = {"1e-3": 1e-3, ".5": 0.5, "2.": 2.0, "1": 1.0, "+0.25": 0.25, "1.5E+2": 150.0}
    for text, value in fractions.items():
        assert override(PROFILES["quick"], [f"learning_rate={text}"]).learning_rate == value
    config = override(CYCLEGAN_PROFILES["quick"], ["bfloat16=true", "gan=log", 'upsampling="resize"'])
    assert (config.bfloat16, config.gan, config.upsampling) == (True, "log", "resize")
    for profiles in (PROFILES, VAE_PROFILES, CYCLEGAN_PROFILES, BASELINES_PROFILES):
        for config in profiles.values():
            assert validated(type(config), json.loads(config.model_dump_json()), "config.json:") == config


def test_every_number_of_every_kind_of_run_is_finite():
    for profiles in (PROFILES, VAE_PROFILES, CYCLEGAN_PROFILES, BASELINES_PROFILES):
        config = profiles["quick"]
        for name, value in config:
            for bad in (math.nan, math.inf, -math.inf):
                numbers = (bad,) * len(value) if isinstance(value, tuple) else bad
                if not isinstance(value, str | bool):
                    with pytest.raises(UserError, match=name):
                        validated(type(config), config.model_dump() | {name: numbers}, "config.json:")


@pytest.mark.parametrize(
    "profiles, text",
    cases("setting", "The memory that it would need is said before anything is built.", TOO_LARGE),
)
def test_a_model_that_no_machine_holds_says_what_it_needs(profiles, text, monkeypatch):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 10**12)
    message = refused(profiles["quick"], text)
    assert message.startswith(f"--set {text.replace('[2000000000]', '(2000000000,)')}: would need at least ")
    assert message.endswith(" GB of memory; this machine has 1,000.0 GB")


def test_the_bound_is_one(monkeypatch):
    """What the models of the report take is known: the bound is below it, and not far."""
    from hw2lib.training.cyclegan import build_cyclegan
    from hw2lib.training.maf import build_maf
    from hw2lib.training.vae import build_vae

    small = PROFILES["quick"].model_copy(update={"size": 16})
    for build, config in (
        (build_maf, small),
        (build_vae, VAE_PROFILES["quick"]),
        (build_cyclegan, CYCLEGAN_PROFILES["quick"]),
    ):
        taken = 4 * sum(p.numel() for p in build(config).parameters())
        image = 4 * 64 * config.size**2
        assert 0.3 * taken < config.least_bytes() < taken + image
    monkeypatch.setattr(memory, "machine_bytes", lambda: 100)
    require_memory(100, "just enough")
    with pytest.raises(
        UserError, match="^-n 9: would need at least 0.0 GB of memory; this machine has 0.0 GB$"
    ):
        require_memory(101, "-n 9")


def test_this_machine_has_memory():
    assert 10**8 < memory.machine_bytes() < 10**15
