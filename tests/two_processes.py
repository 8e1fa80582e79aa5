"""The gradients of a few steps in double precision, by one process or by two."""

import sys
from pathlib import Path
from unittest import mock

import tiny_runs
import torch

from hw2lib.training import cyclegan, maf

STEPS = 3


class Enough(Exception):
    """The steps are done."""


def gradients(model: str, out: Path, devices: int) -> list[list[torch.Tensor]]:
    """What each call of Adam got: those of the flow, or of the generators and of the discriminators."""
    found: list[list[torch.Tensor]] = []
    step, build, training, placed = (
        torch.optim.Adam.step,
        maf.build_maf,
        cyclegan.build_training,
        cyclegan.placed,
    )

    def noted(self, *arguments, **named):
        found.append([p.grad.clone() for group in self.param_groups for p in group["params"]])
        return step(self, *arguments, **named)

    def double_training(config, device):
        made = training(config, device)
        made.net.double()
        return made

    steps = []

    def report(event):
        steps.append(event)
        if len(steps) == STEPS:
            raise Enough

    function, config = tiny_runs.MODELS[model]
    settings = (
        {"batch_size": 2, "pool": 1, "evaluate_epochs": ()} if model == "cyclegan" else {"batch_size": 3}
    )
    with (
        mock.patch.object(torch.optim.Adam, "step", noted),
        mock.patch.object(maf, "build_maf", lambda config: build(config).double()),
        mock.patch.object(cyclegan, "build_training", double_training),
        mock.patch.object(cyclegan, "placed", lambda images, fabric: placed(images.double(), fabric)),
    ):
        try:
            function(
                config.model_copy(update=settings),
                tiny_runs.images(model),
                out,
                device="cpu",
                devices=devices,
                report=report,
            )
        except Enough:
            pass
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    model, out = sys.argv[1], Path(sys.argv[2])
    found = gradients(model, out / "run", 2)
    torch.distributed.barrier()
    if torch.distributed.get_rank() == 0:
        torch.save(found, out / "gradients.pt")
