"""The loop that trains a CycleGAN on two unpaired sets of images."""

import time
from collections.abc import Callable

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hw2lib.cyclegan import (
    TERMS,
    CycleGAN,
    ImagePool,
    Objective,
    PatchDiscriminator,
    ResnetGenerator,
    TrainingStep,
)
from hw2lib.cyclegan.graphs import GraphedStep
from hw2lib.data.unpaired import UnpairedImages, augment, duplicates_report, epoch_order
from hw2lib.errors import UserError
from hw2lib.runs.checkpoint import TrainingState, begin_or_resume
from hw2lib.runs.folder import RunFolder
from hw2lib.seeding import seeded_init

from .interrupt import interruptible
from .loop import Report, Session, epoch_generator, overall, step_generator
from .memory import keep_freed_memory
from .settings import CycleGANConfig


def build_cyclegan(config: CycleGANConfig) -> CycleGAN:
    """The networks of a configuration, with weights drawn from its seed."""
    with seeded_init(config.seed):
        generators = [ResnetGenerator(config.blocks, config.features, config.upsampling) for _ in range(2)]
        return CycleGAN(*generators, *(PatchDiscriminator(config.features) for _ in range(2)))


def build_training(config: CycleGANConfig, device: torch.device) -> TrainingStep:
    """The step of a configuration, with its networks, optimizers and pools."""
    net = build_cyclegan(config).to(device)
    rate: float | Tensor = config.learning_rate
    if config.cuda_graphs:
        rate = torch.tensor(rate, device=device)
    generators, discriminators = (
        torch.optim.Adam(group, rate, betas=config.betas, fused=True, capturable=config.cuda_graphs)
        for group in (net.generator_parameters(), net.discriminator_parameters())
    )
    pools = {"D_A": ImagePool(config.pool), "D_B": ImagePool(config.pool)}
    objective = Objective(config.cycle, config.identity, config.gan)
    kind = GraphedStep if config.cuda_graphs else TrainingStep
    return kind(net, generators, discriminators, pools, objective, config.bfloat16, compile=config.compile)


def learning_rate(config: CycleGANConfig, epoch: int) -> float:
    """η in epoch 0, 1, …: constant, then linear to zero over the last ``decay_epochs``.

    Source: Zhu et al. 2017, section 4 (training details); the authors' code.
    """
    decayed = max(0, epoch + 1 - (config.epochs - config.decay_epochs))
    return config.learning_rate * (1 - decayed / (config.decay_epochs + 1))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set η, in place where it is a tensor: CUDA graphs go on reading that."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def training_state(step: TrainingStep, size: int) -> TrainingState:
    """What a checkpoint of a run holds: networks, both optimizers and both pools."""
    return TrainingState(
        {"net": step.net},
        {"generators": step.generators, "discriminators": step.discriminators},
        {f"pool.{name}": pool for name, pool in step.pools.items()},
        image=(3, size, size),
    )


def train_cyclegan(
    config: CycleGANConfig,
    data: UnpairedImages,
    run: RunFolder,
    fabric: Fabric,
    report: Report,
    evaluate: Callable[[CycleGAN, int], dict],
) -> tuple[CycleGAN, TrainingState]:
    """Train the four networks, from the beginning or from the checkpoint of a resumed run.

    The order of the images, crops, mirroring and the pools' decisions are functions of (seed, epoch,
    step), and both optimizers and pools are kept, so that a run which is interrupted and resumed equals
    one that was not, to the bit on one CPU. losses.csv holds the losses of single steps, every
    ``log_every``-th, without their weights.

    Args:
        config: settings.
        data: images of the configured size and recipe.
        run: its folder, held.
        fabric: launched; each of its processes takes a share of every batch.
        report: called with a dictionary after each step (keys epoch, epochs, step, steps_per_epoch,
            losses).
        evaluate: what the networks are worth after an epoch of ``evaluate_epochs`` or the last.

    Returns:
        The networks and the state after the last epoch, or after the step in which Ctrl-C came; a checkpoint
        holds both.

    Raises:
        UserError: the run was begun otherwise, a loss is no number, or the settings do not fit the devices.
    """
    if config.cuda_graphs and (fabric.device.type != "cuda" or fabric.world_size > 1):
        raise UserError("cuda_graphs=true: needs a CUDA device, and no more than one")
    if config.batch_size % fabric.world_size:
        raise UserError(
            f"batch_size={config.batch_size}: expected a multiple of --devices {fabric.world_size}"
        )
    steps_per_epoch = epoch_steps(config, data)
    keep_freed_memory()
    step = build_training(config, fabric.device)
    if fabric.world_size > 1:
        step.processes = fabric
    state = training_state(step, config.size)
    facts, columns = unpaired_facts(data), ("epoch", "step", *TERMS)
    begin_or_resume(run, state, config, fabric.device, facts, config.epochs, steps_per_epoch, columns)
    at, session, shown = state.progress, Session(run, state, fabric), dict[str, float]()
    splits = data.images["trainA"], data.images["trainB"]

    with interruptible() as interrupt:
        while at.epoch < config.epochs:
            session.restart()
            generator = epoch_generator(config.seed, at)
            orders = [epoch_order(len(i), steps_per_epoch * config.batch_size, generator) for i in splits]
            for optimizer in (step.generators, step.discriminators):
                set_learning_rate(optimizer, learning_rate(config, at.epoch))
            for batches in list(zip(*(o.split(config.batch_size) for o in orders), strict=True))[at.step :]:
                generator = step_generator(config.seed, at)
                x, y = (
                    placed(augment(images[batch], config.size, generator), fabric)
                    for images, batch in zip(splits, batches, strict=True)
                )
                losses = step(x, y, generator)
                at.step += 1
                done = at.epoch * steps_per_epoch + at.step
                if done % config.log_every == 0 or done == 1:
                    # Reading a loss makes a GPU wait, so only those that are kept are read.
                    shown = {name: float(overall(value, fabric)) for name, value in losses.items()}
                    session.finite(*shown.values())
                    at.losses.append({"epoch": at.epoch + 1, "step": done, **shown})
                report(
                    {"epoch": at.epoch, "epochs": config.epochs, "step": at.step}
                    | {"steps_per_epoch": steps_per_epoch, "losses": shown}
                )
                if session.stops(interrupt):
                    break
                if done % config.checkpoint_every == 0:
                    session.lap()
                    session.save()
                session.save_if_due()
            session.lap()
            if at.step == steps_per_epoch:
                at.epoch, at.step = at.epoch + 1, 0
                if run.first and at.epoch in {*config.evaluate_epochs, config.epochs}:
                    started = time.perf_counter()
                    at.evaluations.append({"epoch": at.epoch} | evaluate(step.net, at.epoch))
                    at.evaluation_seconds += time.perf_counter() - started
            session.save()
            if session.stops(interrupt):
                break
    return step.net, state


def epoch_steps(config: CycleGANConfig, data: UnpairedImages) -> int:
    """Steps in which an epoch passes over the larger domain, at most ``max_steps``."""
    steps = -(-data.epoch_length // config.batch_size)
    return min(steps, config.max_steps) if config.max_steps else steps


def placed(images: Tensor, fabric: Fabric) -> Tensor:
    """This process's images on its device, without waiting for the steps that a GPU still has to do."""
    images = images[fabric.global_rank :: fabric.world_size]
    if fabric.device.type == "cuda":
        images = images.pin_memory()
    return images.to(fabric.device, non_blocking=True)


def unpaired_facts(data: UnpairedImages) -> dict[str, object]:
    """What identifies the images of a run."""
    counts = {split: len(images) for split, images in data.images.items()}
    return {"name": data.name, "checksum": data.checksum, **counts, **duplicates_report(data.duplicates)}
