"""How long one inverse of a MAF block takes, beside a forward pass of the same block.

Seconds depend on the machine and on what else it does; ratios between calls timed in turn hardly do.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from hw2lib.data import synthetic_capsules
from hw2lib.flows import MAF, DequantizedPixels, dependency_depth, inverse_stages, jacobi_inverse
from hw2lib.seeding import seeded_init

from .peers import PEERS, build_peer

FEATURES = (768, 3_072, 49_152)
# Beyond these the D passes of a naive inverse take minutes to hours.
NAIVE_LIMIT, PEER_LIMIT = 768, 3_072


@dataclass(frozen=True)
class SamplingRow:
    """One method at one size.

    Attributes:
        features: D.
        method: ``forward``, ``staged``, ``naive``, ``jacobi``, ``jacobi, trained``, or the name of a peer
            library.
        seconds: median time of one call; for a method that takes seconds, the time of its only call.
        ratio_to_forward: median over rounds of the time divided by that of the forward pass.
        passes: how often the method evaluates the block's network; the staged inverse touches each
            weight once, which is one pass.
        extrapolated: whether seconds are ``passes`` times the measured time of one pass.
        round_trip_error: max|f(f⁻¹(u)) − u|, where an inverse was run.
        note: what else there is to say, such as ``not installed``.
    """

    features: int
    method: str
    seconds: float | None = None
    ratio_to_forward: float | None = None
    passes: int | None = None
    extrapolated: bool = False
    round_trip_error: float | None = None
    note: str = ""


def bench_sampling(
    features: Sequence[int] = FEATURES,
    hidden_features: Sequence[int] = (512, 512),
    repeats: int = 15,
    peers: bool = True,
    report: Callable[[str], None] = lambda line: None,
) -> dict:
    """Time forward pass, staged, naive and fixed-point inverse, and peers, one block, one sample.

    Args:
        features: the sizes D.
        hidden_features: of the block.
        repeats: rounds in which the fast methods are timed in turn.
        peers: whether to time zuko and nflows where they are installed.
        report: called with a line before each long measurement.

    Returns:
        A dictionary for JSON: the setting, and under ``rows`` one dictionary per :class:`SamplingRow`.
    """
    rows: list[SamplingRow] = []
    for d in features:
        report(f"D = {d:,}: forward pass and staged inverse")
        rows += _own_rows(d, hidden_features, repeats, report)
        if peers and d <= PEER_LIMIT:
            times = (r.seconds for r in rows if r.features == d and r.method == "forward")
            forward = next(seconds for seconds in times if seconds is not None)
            for name in PEERS:
                report(f"D = {d:,}: {name}")
                rows.append(_peer_row(name, d, hidden_features, forward))
    return {
        "batch": 1,
        "hidden_features": list(hidden_features),
        "transforms": 1,
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "repeats": repeats,
        "rows": [asdict(row) for row in rows],
    }


def interleaved_seconds(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of each call in each of ``repeats`` rounds, in which every call has one turn.

    What slows the machine down for a while then slows all of them down.
    """
    for call in calls.values():
        call()
    seconds = {name: np.empty(repeats) for name in calls}
    for k in range(repeats):
        for name, call in calls.items():
            seconds[name][k] = _seconds(call)
    return seconds


@torch.no_grad()
def _own_rows(
    d: int, hidden: Sequence[int], repeats: int, report: Callable[[str], None]
) -> Iterator[SamplingRow]:
    with seeded_init(0):
        flow = MAF(d, hidden, transforms=1)
        u = torch.randn(1, d)
    x = flow.inverse(u)
    calls = {
        "forward": lambda: flow(x),
        "staged": lambda: flow.inverse(u),
        "pass": lambda: flow.blocks[0](x),
    }
    seconds = interleaved_seconds(calls, repeats)
    forward = seconds["forward"]
    stages = len(inverse_stages(flow.blocks[0].degrees, d))
    yield SamplingRow(d, "forward", _median(forward), 1.0, 1)
    yield SamplingRow(
        d,
        "staged",
        _median(seconds["staged"]),
        _median(seconds["staged"] / forward),
        1,
        round_trip_error=_round_trip_error(lambda v: flow(v)[0], x, u),
        note=f"{stages} stages",
    )
    if d <= NAIVE_LIMIT:
        report(f"D = {d:,}: naive inverse")
        with _counted(flow.blocks[0]) as count:
            started = time.perf_counter()
            x = flow.inverse(u, method="naive")
            taken = time.perf_counter() - started
            passes = count.passes
        error = _round_trip_error(lambda v: flow(v)[0], x, u)
        yield SamplingRow(d, "naive", taken, taken / _median(forward), passes, round_trip_error=error)
    else:
        taken, ratio = d * _median(seconds["pass"]), d * _median(seconds["pass"] / forward)
        yield SamplingRow(d, "naive", taken, ratio, d, extrapolated=True)
    report(f"D = {d:,}: fixed-point inverse, of fresh and of trained weights")
    yield _jacobi_row("jacobi", flow, u, _median(forward))
    train_quickly(flow)
    yield _jacobi_row("jacobi, trained", flow, u, _median(forward))


@torch.enable_grad()
def train_quickly(flow: MAF, steps: int = 50) -> None:
    """A few steps of Adam on generated capsules: weights that neighbouring values depend on each other by."""
    size = max(16, math.isqrt((flow.features - 1) // 3) + 1)
    images = synthetic_capsules(size, train=16, good=1, per_defect=1).train.flatten(1)[:, : flow.features]
    optimizer, noise = torch.optim.Adam(flow.parameters(), lr=1e-3), torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        (-flow.log_prob(DequantizedPixels().encode(images, generator=noise)).mean()).backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1e5)
        optimizer.step()


def _jacobi_row(method: str, flow: MAF, u: Tensor, forward: float) -> SamplingRow:
    block = flow.blocks[0]
    jacobi_inverse(block, u)  # the first call is slower
    started = time.perf_counter()
    x, passes = jacobi_inverse(block, u)
    taken = time.perf_counter() - started
    return SamplingRow(
        flow.features,
        method,
        taken,
        taken / forward,
        passes,
        round_trip_error=_round_trip_error(lambda v: flow(v)[0], x, u),
        note=f"at most {dependency_depth(block.degrees, flow.features) + 1} passes",
    )


@torch.no_grad()
def _peer_row(name: str, d: int, hidden: Sequence[int], forward: float) -> SamplingRow:
    peer = build_peer(name, d, hidden)
    if peer is None:
        return SamplingRow(d, name, note="not installed")
    u = torch.randn(1, d)
    with _counted(peer.network) as count:
        started = time.perf_counter()
        x = peer.inverse(u)
        taken = time.perf_counter() - started
        passes = count.passes
    error = _round_trip_error(peer.forward, x, u)
    return SamplingRow(d, name, taken, taken / forward, passes, round_trip_error=error, note=peer.version)


class _counted:
    """Count how often a module is called."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module, self.passes = module, 0

    def __enter__(self) -> "_counted":
        self.handle = self.module.register_forward_hook(self._count)
        return self

    def __exit__(self, *exception: object) -> None:
        self.handle.remove()

    def _count(self, *_: object) -> None:
        self.passes += 1


def _round_trip_error(forward: Callable[[Tensor], Tensor], x: Tensor, u: Tensor) -> float:
    return float((forward(x) - u).abs().max())


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _median(values: np.ndarray) -> float:
    return float(np.median(values))
