"""Single MAF blocks of other libraries, behind one interface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from torch import Tensor, nn

PEERS = ("zuko", "nflows")


@dataclass(frozen=True)
class Peer:
    """A block of another library: ``network`` is the module that each pass of its inverse calls."""

    version: str
    network: nn.Module
    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


def build_peer(name: str, features: int, hidden_features: Sequence[int]) -> Peer | None:
    """The block of the named library, or None where the library is not installed."""
    try:
        release = version(name)
    except PackageNotFoundError:
        return None
    build = {"zuko": _zuko, "nflows": _nflows}[name]
    return Peer(release, *build(features, hidden_features))


def _zuko(features: int, hidden_features: Sequence[int]):
    from zuko.flows.autoregressive import MaskedAutoregressiveTransform

    block = MaskedAutoregressiveTransform(features, hidden_features=hidden_features)
    return block.hyper, lambda x: block()(x), lambda u: block().inv(u)


def _nflows(features: int, hidden_features: Sequence[int]):
    from nflows.transforms.autoregressive import MaskedAffineAutoregressiveTransform

    # nflows knows one width for all layers: the first, and one "block" for each further layer.
    block = MaskedAffineAutoregressiveTransform(
        features, hidden_features[0], num_blocks=len(hidden_features) - 1, use_residual_blocks=False
    )
    return block.autoregressive_net, lambda x: block.forward(x)[0], lambda u: block.inverse(u)[0]
