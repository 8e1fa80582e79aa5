"""What one step of training gives the model and takes from its gradients, for the flow and the VAE."""

import signal

import pytest
import torch

from hw2lib.data import split_validation, synthetic_capsules
from hw2lib.errors import UserError
from hw2lib.experiments import checkerboards
from hw2lib.flows import MAF, DequantizedPixels
from hw2lib.jobs.maf import run_maf
from hw2lib.jobs.vae import run_vae
from hw2lib.training.cyclegan import build_cyclegan
from hw2lib.training.maf import build_maf
from hw2lib.training.settings import CycleGANConfig, MAFConfig, VAEConfig
from hw2lib.training.vae import build_vae

MODELS = {
    "maf": (
        run_maf,
        MAFConfig(
            size=16, hidden_features=(8,), transforms=1, batch_size=4, epochs=2, evaluate_epochs=(2,), seed=3
        ),
    ),
    "vae": (run_vae, VAEConfig(size=16, channels=(4,), latent=2, batch_size=4, epochs=2, seed=3)),
}
STEPS = 6  # in two epochs of 9 training images in batches of 4, 4 and 1


@pytest.fixture(scope="module")
def data():
    return synthetic_capsules(16, train=10, good=2, per_defect=1)


@pytest.fixture(params=MODELS)
def train(request, data, tmp_path):
    """Train two epochs without what follows them, and call a function after each step."""
    function, config = MODELS[request.param]

    def run(after_step=lambda: None, **update):
        events = []

        def report(event):
            events.append(event)
            after_step()
            if len(events) == STEPS:  # Ctrl-C, which spares the scores of the finished run
                signal.raise_signal(signal.SIGINT)

        settings = config.model_copy(update=update)
        assert not function(settings, data, tmp_path / "run", device="cpu", report=report)
        assert [event["epoch"] for event in events] == [0, 0, 0, 1, 1, 1]

    return run


def test_every_epoch_sees_the_pixels_with_noise_of_its_own(train, data, monkeypatch):
    calls, seen = [], []
    encode = DequantizedPixels.encode

    def spy(self, pixels, noise=True, generator=None, **more):
        x = encode(self, pixels, noise, generator, **more)
        calls.append((pixels, noise, generator, x))
        return x

    monkeypatch.setattr(DequantizedPixels, "encode", spy)
    train(lambda: seen.append(calls[-1]))  # before it may be calls of the validation, which has no noise
    for pixels, noise, generator, x in seen:
        # The random numbers of the process would be others after a resumption.
        assert noise and isinstance(generator, torch.Generator)
        assert torch.equal(DequantizedPixels().decode(x), pixels)
    images = torch.cat([pixels for pixels, *_ in seen])
    first, second = (torch.cat([x for *_, x in part]) for part in (seen[:3], seen[3:]))
    for image in data.train[split_validation(10, 0.1, 3)[0]].flatten(1):
        one, other = (part.eq(image).all(1).nonzero().flatten() for part in images.split(9))
        assert len(one) == len(other) == 1, "an epoch shows every image once"
        assert float((first[one] != second[other]).float().mean()) > 0.99
    # Uniform in the interval of a pixel: 9 · 768 · 2 draws tell mean and spread to a hundredth.
    n = (torch.cat([first, second]) + 1) * 128 - images
    assert -1e-4 < float(n.min()) and float(n.max()) < 1 + 1e-4
    assert float(n.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(n.std()) == pytest.approx(12**-0.5, abs=0.02)


@pytest.mark.parametrize("clip_norm", [1e-3, 1e9])
def test_no_step_takes_a_longer_gradient_than_the_settings_allow(train, monkeypatch, clip_norm):
    norms = []
    step = torch.optim.Adam.step

    def noted(self, *arguments, **named):
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        return step(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    train(clip_norm=clip_norm)
    assert len(norms) == STEPS
    if clip_norm == 1e-3:
        assert max(norms) <= 1.001e-3
        assert min(norms) >= 0.999e-3, "a gradient is scaled down, not thrown away"
    else:  # so that it is the setting that shortened them above
        assert 1 < min(norms) and max(norms) < 1e9


def test_a_loss_that_is_no_number_ends_the_run(train):
    with pytest.raises(UserError, match="the loss is .* in epoch 1; lower learning_rate"):
        train(learning_rate=1e30)


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_maf(MODELS["maf"][1]),
        lambda: build_vae(MODELS["vae"][1]),
        lambda: build_cyclegan(CycleGANConfig(blocks=1, features=2)),
        lambda: checkerboards.sky_generator("resize", steps=0, seed=3),
    ],
    ids=["maf", "vae", "cyclegan", "experiment"],
)
def test_weights_follow_from_the_seed_and_leave_the_random_numbers_alone(build):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first, second = build(), build()
    assert torch.equal(torch.rand(3), expected)
    weights = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_background_flow_learns_from_spoiled_images_and_is_judged_on_clean_ones(
    data, tmp_path, monkeypatch, share
):
    clean, kept = data.train.flatten(1).double(), {True: [], False: []}
    encode = DequantizedPixels.encode

    def spy(self, pixels, noise=True, generator=None, **more):
        for row in pixels.flatten(1).double():
            kept[noise].append(float((row == clean).double().mean(1).max()))
        return encode(self, pixels, noise, generator, **more)

    monkeypatch.setattr(DequantizedPixels, "encode", spy)
    monkeypatch.setattr("hw2lib.jobs.maf.write_maf_run", lambda *arguments: None)
    settings = MODELS["maf"][1].model_copy(update={"corrupted": share})
    assert run_maf(settings, data, tmp_path / "run", device="cpu")
    assert kept[True] == pytest.approx([1 - share] * len(kept[True]), abs=0.08)
    assert kept[False] and set(kept[False]) == {1.0}


def test_without_dequantization_a_step_sees_the_middles_of_the_pixels(data, tmp_path, monkeypatch):
    seen = []
    log_prob = MAF.log_prob

    def spy(self, x):
        if torch.is_grad_enabled():
            seen.append((x.double() + 1) * 128 % 1)
        return log_prob(self, x)

    monkeypatch.setattr(MAF, "log_prob", spy)
    monkeypatch.setattr("hw2lib.jobs.maf.write_maf_run", lambda *arguments: None)
    for dequantize in (True, False):
        seen.clear()
        settings = MODELS["maf"][1].model_copy(update={"dequantize": dequantize})
        assert run_maf(settings, data, tmp_path / f"run-{dequantize}", device="cpu")
        assert all((abs(rest - 0.5) < 1e-3).all() for rest in seen) is not dequantize


def test_the_conditioner_of_the_settings_is_that_of_the_flow():
    flows = [
        build_maf(MODELS["maf"][1].model_copy(update={"conditioner": c})) for c in ("affine", "additive")
    ]
    x = torch.rand(2, 768)
    affine, additive = (flow(x)[1] for flow in flows)
    assert bool((affine != 0).all()) and bool((additive == 0).all())
