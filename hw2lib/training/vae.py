"""The loop that trains a variational autoencoder on one category of MVTec AD."""

import math
from typing import cast

import torch
from lightning.fabric import Fabric

from hw2lib.anomaly import vae_scores
from hw2lib.data import MVTecCategory
from hw2lib.data.mvtec import split_validation
from hw2lib.flows import DequantizedPixels, bits_per_dim
from hw2lib.runs.checkpoint import MODEL, OPTIMIZER, TrainingState, begin_or_resume
from hw2lib.runs.folder import RunFolder, data_facts
from hw2lib.seeding import seeded_init
from hw2lib.vae import VAE, conv_vae

from .fit import vae_parameter_groups
from .interrupt import interruptible
from .loop import Report, Session, epoch_generator, overall, pixel_event, share, shared_mean, step_generator
from .memory import keep_freed_memory
from .settings import VAEConfig

LOSSES = (
    "epoch",
    "train_nelbo",
    "val_nelbo",
    "train_bpd",
    "val_bpd",
    "val_error",
    "val_kl",
    "sigma",
    "seconds",
)


def build_vae(config: VAEConfig) -> VAE:
    """The VAE of a configuration, with weights drawn from its seed."""
    with seeded_init(config.seed):
        return conv_vae(config.size, config.channels, config.latent)


def train_vae(
    config: VAEConfig, data: MVTecCategory, run: RunFolder, fabric: Fabric, report: Report
) -> TrainingState:
    """Maximise the evidence lower bound, from the beginning or from the checkpoint of a resumed run.

    The objective is the mean of −ELBO(x) over a batch with one draw of ε per image (book: eq-elbo), x
    being dequantised pixels in [−1, 1]^D as for the flow, so that bits per dimension of the two can be
    compared: those of the VAE are an upper bound. Batches and noise are functions of (seed, epoch,
    step) and so is the learning rate, so that a run which is interrupted and resumed equals one that
    was not, to the bit on one CPU.

    Args:
        config: settings.
        data: images of the configured size.
        run: its folder, held.
        fabric: launched; each of its processes takes a share of every batch.
        report: called after each step with what :func:`~hw2lib.training.loop.pixel_event` makes.

    Returns:
        The state after the last epoch, or after the step in which Ctrl-C came; a checkpoint holds it. Its
        network is ``model``.

    Raises:
        UserError: the images are too few to split, or of a size that the convolutions cannot halve; the run
            was begun otherwise, or the loss is no number.
    """
    train, held_out = split_validation(len(data.train), config.validation_fraction, config.seed)
    images, validation = data.train[train].flatten(1), data.train[held_out]
    steps_per_epoch = math.ceil(len(images) / config.batch_size)
    rates = (config.learning_rate, config.sigma_learning_rate)
    keep_freed_memory()
    vae = build_vae(config)
    optimizer = torch.optim.Adam(vae_parameter_groups(vae, *rates), fused=True)
    vae, optimizer = fabric.setup(vae, optimizer)
    state = TrainingState({MODEL: vae}, {OPTIMIZER: optimizer})
    facts, place = data_facts(data), fabric.device
    begin_or_resume(run, state, config, place, facts, config.epochs, steps_per_epoch, LOSSES)
    at, session, pixels = state.progress, Session(run, state, fabric), DequantizedPixels()

    with interruptible() as interrupt:
        while at.epoch < config.epochs:
            session.restart()
            order = torch.randperm(len(images), generator=epoch_generator(config.seed, at))
            for batch in order.split(config.batch_size)[at.step :]:
                done = (at.epoch * steps_per_epoch + at.step) / (config.epochs * steps_per_epoch)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * (1 + math.cos(math.pi * done)) / 2
                generator = step_generator(config.seed, at)
                x = pixels.encode(images[batch], generator=generator)
                noise = torch.randn(len(batch), config.latent, generator=generator)
                optimizer.zero_grad(set_to_none=True)
                loss = shared_mean(vae(share(x, fabric), share(noise, fabric)), len(batch), fabric)
                fabric.backward(loss)
                fabric.clip_gradients(vae, optimizer, max_norm=config.clip_norm, error_if_nonfinite=False)
                optimizer.step()
                mean_loss = float(overall(loss, fabric))
                session.finite(mean_loss)
                at.loss_sum += mean_loss * len(batch)
                at.step += 1
                report(pixel_event(at, config.epochs, steps_per_epoch, mean_loss, data.features))
                if session.stops(interrupt):
                    session.lap()
                    session.save()
                    return state
                session.save_if_due()

            network = cast(VAE, state.network(MODEL))
            scores = vae_scores(network, validation, draws=1)
            row: dict[str, float] = {"epoch": at.epoch + 1, "train_nelbo": at.loss_sum / len(images)}
            row["val_nelbo"] = float(scores.nelbo.mean())
            for name in ("train", "val"):
                row[f"{name}_bpd"] = float(bits_per_dim(row[f"{name}_nelbo"], data.features))
            row |= {"val_error": float(scores.error.mean()), "val_kl": float(scores.kl.mean())}
            row["sigma"] = float(network.log_sigma.detach().exp())
            session.end_epoch(row)
            session.save_after(at.epoch, config.epochs, config.checkpoint_every)
    return state
