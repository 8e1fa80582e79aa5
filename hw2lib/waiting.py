"""How torch's threads wait for each other.

Torch's OpenMP threads spin while they wait, and a training step is a thousand small products: beside one
other process on the same cores it takes many times as long. The runtime reads its settings when it is loaded,
so they are set in the environment before the first ``import torch``; processes that are started inherit them.
"""

import os
from collections.abc import MutableMapping

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads sleep, unless the user has chosen how they wait.

    To be called before torch is imported.
    """
    if not any(name in environment for name in CHOICES):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
