"""The loop that trains a variational autoencoder on one category of MVTec AD."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from hw2lib.anomaly import vae_scores
from hw2lib.flows import DequantizedPixels, bits_per_dim
from hw2lib.runs.checkpoint import MODEL
from hw2lib.seeding import seeded_init
from hw2lib.vae import VAE, conv_vae

from .loop import EpochLoop
from .settings import VAEConfig


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

    PROGRESS: ClassVar[tuple[str, ...]] = ("epoch", "step", "loss_sum", "losses", "train_seconds")

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a checkpoint holds, by file name."""
        return {MODEL: self.vae}


def build_vae(config: VAEConfig) -> VAE:
    """The VAE of a configuration, with weights drawn from its seed."""
    with seeded_init(config.seed):
        return conv_vae(config.size, config.channels, config.latent)


class VAELoop(EpochLoop):
    config: VAEConfig
    state: VAEState

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
        config, steps_per_epoch = self.config, math.ceil(len(self.train) / self.config.batch_size)
        done = (self.state.epoch * steps_per_epoch + self.state.step) / (config.epochs * steps_per_epoch)
        rates = (config.learning_rate, config.sigma_learning_rate)
        for group, rate in zip(self.state.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 + math.cos(math.pi * done)) / 2
