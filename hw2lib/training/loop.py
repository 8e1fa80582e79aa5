"""What the loops of all models share: their random numbers, clock and checkpoints, and several processes."""

import math
import time
from collections.abc import Callable, Mapping

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hw2lib.errors import UserError
from hw2lib.flows import bits_per_dim
from hw2lib.runs.checkpoint import Progress, TrainingState, save_checkpoint
from hw2lib.runs.folder import RunFolder, write_csv

from .interrupt import Interrupt

Report = Callable[[dict], None]
# More work than this is not lost to a crash, however long an epoch takes.
CHECKPOINT_SECONDS = 120.0


def epoch_generator(seed: int, progress: Progress) -> torch.Generator:
    """What is random in the order of an epoch, a function of (seed, epoch): a run can go on within it."""
    return torch.Generator().manual_seed(seed * 1_000_003 + progress.epoch)


def step_generator(seed: int, progress: Progress) -> torch.Generator:
    """What is random in a step, a function of (seed, epoch, step)."""
    return torch.Generator().manual_seed((seed * 1_000_003 + progress.epoch) * 10_007 + progress.step + 1)


def share(batch: Tensor, fabric: Fabric) -> Tensor:
    """This process's part of a batch, on its device."""
    return batch[fabric.global_rank :: fabric.world_size].to(fabric.device)


def shared_mean(losses: Tensor, count: int, fabric: Fabric) -> Tensor:
    """What becomes the mean over all ``count`` images when it is averaged over the processes' shares."""
    if fabric.world_size == 1:
        return losses.mean()
    return losses.sum() * (fabric.world_size / count)


def overall(loss: Tensor, fabric: Fabric) -> Tensor:
    """The mean over all processes, without gradient."""
    found = fabric.all_reduce(loss.detach())
    assert isinstance(found, Tensor)
    return found


class Session:
    """What a loop does beside its steps: it keeps time and checkpoints, and stops where it has to.

    Args:
        run: the folder.
        state: of the training.
        fabric: launched.
    """

    def __init__(self, run: RunFolder, state: TrainingState, fabric: Fabric) -> None:
        self.run, self.state, self.fabric = run, state, fabric
        self.started = self.saved = time.perf_counter()

    def restart(self) -> None:
        """Count from now on as training."""
        self.started = time.perf_counter()

    def lap(self) -> None:
        """Count as training what came since :meth:`restart` or the last lap."""
        now = time.perf_counter()
        self.state.progress.train_seconds += now - self.started
        self.started = now

    def finite(self, *losses: float) -> None:
        """UserError where a loss is no number, since no later step can mend that."""
        for value in losses:
            if not math.isfinite(value):
                epoch = self.state.progress.epoch + 1
                raise UserError(f"{self.run.path}: the loss is {value} in epoch {epoch}; lower learning_rate")

    def stops(self, interrupt: Interrupt) -> bool:
        """Whether a process was asked to stop: then all do, after the same step."""
        if self.fabric.world_size == 1:
            return interrupt.requested
        asked = torch.tensor(float(interrupt.requested), device=self.fabric.device)
        return bool(overall(asked, self.fabric) > 0)

    def end_epoch(self, row: Mapping[str, float]) -> None:
        """Count an epoch, and add its row of losses with the seconds trained so far."""
        at = self.state.progress
        self.lap()
        at.losses.append({**row, "seconds": round(at.train_seconds, 3)})
        at.epoch, at.step, at.loss_sum = at.epoch + 1, 0, 0.0
        self.write_losses()

    def save_after(self, epoch: int, epochs: int, every: int) -> None:
        """Leave a checkpoint after the last epoch, and after every ``every``-th where that is not 0."""
        if epoch == epochs or (every and epoch % every == 0):
            self.save()

    def save(self) -> None:
        """Leave a checkpoint and losses.csv."""
        if self.run.first:
            save_checkpoint(self.run.path, self.state)
            self.write_losses()
        self.saved = time.perf_counter()

    def write_losses(self) -> None:
        if self.run.first:
            write_csv(self.run.path / "losses.csv", self.state.progress.losses)

    def save_if_due(self) -> None:
        """Leave a checkpoint where the last one is some minutes old."""
        if time.perf_counter() - self.saved > CHECKPOINT_SECONDS:
            self.lap()
            self.save()
            self.restart()


def pixel_event(progress: Progress, epochs: int, steps_per_epoch: int, loss: float, features: int) -> dict:
    """What is reported after a step of the flow or the VAE, whose loss is in nats per image."""
    last = progress.losses[-1] if progress.losses else {}
    return {
        "epoch": progress.epoch,
        "epochs": epochs,
        "step": progress.step,
        "steps_per_epoch": steps_per_epoch,
        "train_bpd": float(bits_per_dim(loss, features)),
        "val_bpd": last.get("val_bpd"),
    }
