"""Train a variational autoencoder on one category of MVTec AD, and score what comes out."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from hw2lib.anomaly import vae_scores
from hw2lib.data import MVTecCategory, split_validation
from hw2lib.flows import DequantizedPixels, bits_per_dim
from hw2lib.seeding import weights_from
from hw2lib.vae import VAE, conv_vae

from .checkpoint import MODEL, load_training_state
from .config import VAEConfig
from .fit import vae_parameter_groups
from .loop import EpochLoop, Report
from .memory import keep_freed_memory
from .runs import begin, note_resumption, prepare
from .vae_report import finish_vae_run


@dataclass
class VAEState:
    """Everything that a run carries from one step to the next."""

    vae: VAE
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    losses: list[dict] = field(default_factory=list)
    train_seconds: float = 0.0

    PROGRESS = ("epoch", "step", "loss_sum", "losses", "train_seconds")

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint holds, by file name."""
        return {MODEL: self.vae}


def build_vae(config: VAEConfig) -> VAE:
    """The VAE of a configuration, with weights drawn from its seed."""
    with weights_from(config.seed):
        return conv_vae(config.size, config.channels, config.latent)


def train_vae(
    config: VAEConfig,
    data: MVTecCategory,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    report: Report = lambda event: None,
) -> bool:
    """Maximise the evidence lower bound; writes the run's folder.

    The objective is the mean of −ELBO(x) over a batch with one draw of ε per image (book: eq-elbo), x
    being dequantised pixels in [−1, 1]^D as for the flow, so that bits per dimension of the two can be
    compared: those of the VAE are an upper bound. Batches and noise are functions of (seed, epoch,
    step) and so is the learning rate, so that a run which is interrupted and resumed equals one that
    was not, to the bit on one CPU.

    Args:
        config: settings.
        data: images of the configured size.
        out: folder of the run.
        resume: go on from the checkpoint in ``out``.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: number of devices, each of which takes a share of every batch.
        report: called with a dictionary after each step (keys epoch, step, steps, train_bpd, val_bpd).

    Returns:
        True if the run finished, False if Ctrl-C left a checkpoint.

    Raises:
        UserError: ``out`` holds another run, nothing to resume, or a run begun with other images or
            settings; the images are too few to split, or of a size that the convolutions cannot halve; or
            the loss is no longer a number.
    """
    split = split_validation(len(data.train), config.validation_fraction, config.seed)
    vae = build_vae(config)
    prepare(out, resume, data.checksum, config)
    keep_freed_memory()
    fabric = Fabric(accelerator=device, devices=devices)
    fabric.launch()
    optimizer = torch.optim.Adam(
        vae_parameter_groups(vae, config.learning_rate, config.sigma_learning_rate), fused=True
    )
    vae, optimizer = fabric.setup(vae, optimizer)
    state = VAEState(vae, optimizer)
    if resume:
        load_training_state(out, state)
        if fabric.is_global_zero:
            note_resumption(out, state.epoch, state.step, fabric.device)
    elif fabric.is_global_zero:
        begin(out, config, fabric.device, data)
    loop = _Loop(config, data, split, state, fabric, out, report)
    finished = loop.run()
    if finished and fabric.is_global_zero:
        finish_vae_run(out, config, data, state, loop.validation)
    fabric.barrier()
    return finished


class _Loop(EpochLoop):
    def step(self, batch: Tensor) -> float:
        """One step of Adam on the mean −ELBO; returns it in nats per image."""
        state, config, generator = self.state, self.config, self.noise()
        self._set_learning_rates()
        x = DequantizedPixels().encode(self.train[batch], generator=generator)
        noise = torch.randn(len(batch), config.latent, generator=generator)
        state.optimizer.zero_grad(set_to_none=True)
        loss = self.mean(state.vae(self.share(x), self.share(noise)), batch)
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            state.vae, state.optimizer, max_norm=config.clip_norm, error_if_nonfinite=False
        )
        state.optimizer.step()
        return self.finite(self.fabric.all_reduce(loss.detach()))

    def validate(self, train_loss: float) -> dict:
        vae, features = getattr(self.state.vae, "module", self.state.vae), self.data.features
        scores = vae_scores(vae, self.validation, draws=1)
        row = {"train_nelbo": train_loss, "val_nelbo": float(scores.nelbo.mean())}
        for name in ("train", "val"):
            row[f"{name}_bpd"] = float(bits_per_dim(row[f"{name}_nelbo"], features))
        row |= {"val_error": float(scores.error.mean()), "val_kl": float(scores.kl.mean())}
        return row | {"sigma": float(vae.log_sigma.detach().exp())}

    def _set_learning_rates(self) -> None:
        config, steps = self.config, math.ceil(len(self.train) / self.config.batch_size)
        done = (self.state.epoch * steps + self.state.step) / (config.epochs * steps)
        rates = (config.learning_rate, config.sigma_learning_rate)
        for group, rate in zip(self.state.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 + math.cos(math.pi * done)) / 2
