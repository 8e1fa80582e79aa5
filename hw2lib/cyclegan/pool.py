"""The image pool: discriminators also see translations that the generators made earlier."""

import torch
from torch import Tensor


class ImagePool:
    """History of at most ``size`` generated images.

    While the pool is filling, every image is stored and returned. Once it is full, each image is, with
    probability ½, returned and not stored; otherwise a stored one, chosen uniformly, is returned and the
    image takes its place. Size 0 returns every batch as it is.

    Args:
        size: number of images kept.

    Shapes:
        images: (batch, channels, height, width) → the same, detached.

    Source: Shrivastava et al. 2017; Zhu et al. 2017, section 4.

    Example:
        >>> ImagePool(50)(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, size: int = 50) -> None:
        if size < 0:
            raise ValueError(f"size={size}: expected at least 0")
        self.size = size
        self.images: list[Tensor] = []

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exchange a batch; decisions come from ``generator``, on the CPU so that a GPU need not wait."""
        if self.size == 0:
            return images.detach()
        return torch.stack([self._exchange(image, generator) for image in images.detach()])

    def state_dict(self) -> dict[str, Tensor]:
        """The stored images in order, as one tensor; empty for an empty pool."""
        return {"images": torch.stack(self.images)} if self.images else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up stored images; ValueError if there are more than ``size``."""
        images = list(state["images"].clone()) if state else []
        if len(images) > self.size:
            raise ValueError(f"{len(images)} images do not fit a pool of {self.size}")
        self.images = images

    def _exchange(self, image: Tensor, generator: torch.Generator | None) -> Tensor:
        # A copy, because a view would keep the memory of its whole batch alive.
        if len(self.images) < self.size:
            self.images.append(image.clone())
            return image
        if torch.rand((), generator=generator) < 0.5:
            return image
        place = int(torch.randint(self.size, (), generator=generator))
        older, self.images[place] = self.images[place], image.clone()
        return older
