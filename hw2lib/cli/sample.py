"""hw2 sample."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Force, Weights, refuse_weights, say

_BYTES = 4 + 4 + 1 + 1  # of a value of an image: noise and pixel as float32, the pixel, and the sheet's


def sample(
    run: Annotated[Path, typer.Argument(help="folder of a trained run of a flow or a VAE")],
    n: Annotated[int, typer.Option("-n", help="number of images", min=1)] = 5,
    out: Annotated[Path, typer.Option(help="PNG to write")] = Path("samples.png"),
    temperature: Annotated[
        float, typer.Option(help="standard deviation of the noise or latent code", min=0.0, max=100.0)
    ] = 1.0,
    weights: Weights = None,
    seed: Annotated[int, typer.Option(help="random seed", min=0, max=2**63 - 1)] = 0,
    force: Force = False,
) -> None:
    """Draw images from a trained flow with the staged inverse, or from a VAE with its decoder."""
    from hw2lib.errors import UserError
    from hw2lib.jobs.maf import sample_images
    from hw2lib.jobs.trained import load_flow, load_vae, run_kind
    from hw2lib.jobs.vae import sample_vae_images
    from hw2lib.memory import require_memory
    from hw2lib.runs.images import save_grid
    from hw2lib.runs.output import check_output

    if temperature != temperature:  # NaN is within every range
        raise UserError(f"--temperature {temperature}: is no number")
    check_output(out, force)
    if run_kind(run) == "vae":
        refuse_weights(weights)
        vae, config = load_vae(run)
        require_memory(_BYTES * n * 3 * config.size**2, f"-n {n}")
        images = sample_vae_images(vae, n, config.size, seed, temperature)
    else:
        flow, _ = load_flow(run, weights or "ema")
        require_memory(_BYTES * n * flow.features, f"-n {n}")
        images = sample_images(flow, n, seed, temperature)
    save_grid(out, images, columns=min(n, 10))
    say(f"{out}: {n} images")
