"""The loop that trains a CycleGAN on two unpaired sets of images."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from hw2lib.cyclegan import (
    CycleGAN,
    ImagePool,
    Objective,
    PatchDiscriminator,
    ResnetGenerator,
    TrainingStep,
)
from hw2lib.cyclegan.graphs import GraphedStep
from hw2lib.data.unpaired import UnpairedImages, augment, epoch_order
from hw2lib.runs.cyclegan_checkpoint import save_cyclegan_state
from hw2lib.runs.folder import write_csv
from hw2lib.seeding import seeded_init

from .interrupt import interruptible
from .settings import CycleGANConfig

Report = Callable[[dict], None]


@dataclass
class CycleGANState:
    """Everything that a run carries from one step to the next."""

    training: TrainingStep
    epoch: int = 0
    step: int = 0
    losses: list[dict] = field(default_factory=list)
    evaluations: list[dict] = field(default_factory=list)
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0

    PROGRESS: ClassVar[tuple[str, ...]] = (
        "epoch",
        "step",
        "losses",
        "evaluations",
        "train_seconds",
        "evaluation_seconds",
    )


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


class CycleGANLoop:
    def __init__(
        self,
        config: CycleGANConfig,
        data: UnpairedImages,
        state: CycleGANState,
        device: torch.device,
        out: Path,
        report: Report,
    ) -> None:
        self.config, self.data, self.state = config, data, state
        self.device, self.out, self.report = device, out, report
        self.steps_per_epoch = -(-data.epoch_length // config.batch_size)
        if config.max_steps:
            self.steps_per_epoch = min(self.steps_per_epoch, config.max_steps)
        self.shown: dict[str, float] = {}

    def run(self) -> bool:
        state = self.state
        with interruptible() as interrupt:
            while state.epoch < self.config.epochs:
                finished = self._epoch(interrupt)
                if finished and state.epoch in {*self.config.evaluate_epochs, self.config.epochs}:
                    started = time.perf_counter()
                    self.evaluate()
                    state.evaluation_seconds += time.perf_counter() - started
                self._save()
                if interrupt.requested and state.epoch < self.config.epochs:
                    return False
        return True

    def evaluate(self) -> None:
        """Called after each epoch that is evaluated, once it has been counted."""

    def _epoch(self, interrupt) -> bool:
        """Go on to the end of the epoch, or to the step in which Ctrl-C came."""
        config, state = self.config, self.state
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + state.epoch)
        needed = self.steps_per_epoch * config.batch_size
        splits = self.data.images["trainA"], self.data.images["trainB"]
        orders = [epoch_order(len(images), needed, generator) for images in splits]
        for optimizer in (state.training.generators, state.training.discriminators):
            set_learning_rate(optimizer, learning_rate(config, state.epoch))
        started = time.perf_counter()
        while state.step < self.steps_per_epoch and not interrupt.requested:
            place = slice(state.step * config.batch_size, (state.step + 1) * config.batch_size)
            self._step(*(images[order[place]] for images, order in zip(splits, orders, strict=True)))
            if (state.epoch * self.steps_per_epoch + state.step) % config.checkpoint_every == 0:
                started = self._clock(started)
                self._save()
        self._clock(started)
        if state.step < self.steps_per_epoch:
            return False
        state.epoch, state.step = state.epoch + 1, 0
        return True

    def _step(self, a: Tensor, b: Tensor) -> None:
        config, state = self.config, self.state
        seed = (config.seed * 1_000_003 + state.epoch) * 10_007 + state.step + 1
        generator = torch.Generator().manual_seed(seed)
        x, y = (self._placed(augment(images, config.size, generator)) for images in (a, b))
        losses = state.training(x, y, generator)
        state.step += 1
        done = state.epoch * self.steps_per_epoch + state.step
        if done % config.log_every == 0 or done == 1:
            # Reading a loss makes a GPU wait, so only those that are kept are read.
            self.shown = {name: float(value) for name, value in losses.items()}
            state.losses.append({"epoch": state.epoch + 1, "step": done} | self.shown)
        self.report(self._event())

    def _placed(self, images: Tensor) -> Tensor:
        """The images on the device, without waiting for the steps that a GPU still has to do."""
        if self.device.type == "cuda":
            images = images.pin_memory()
        return images.to(self.device, non_blocking=True)

    def _clock(self, started: float) -> float:
        now = time.perf_counter()
        self.state.train_seconds += now - started
        return now

    def _save(self) -> None:
        save_cyclegan_state(self.out, self.state)
        write_csv(self.out / "losses.csv", self.state.losses)

    def _event(self) -> dict:
        return {
            "epoch": self.state.epoch,
            "epochs": self.config.epochs,
            "step": self.state.step,
            "steps_per_epoch": self.steps_per_epoch,
            "losses": self.shown,
        }
