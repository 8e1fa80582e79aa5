"""The image pool against its rule, told by numbers instead of pictures."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hw2lib.cyclegan import ImagePool


def numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count).float().reshape(count, 1, 1, 1)


def numbers(images) -> list[int]:
    return [int(image) for image in images]


@given(
    size=st.integers(0, 6),
    batches=st.lists(st.integers(1, 4), min_size=1, max_size=15),
    seed=st.integers(0, 999),
)
def test_what_comes_out_went_in_and_nothing_is_lost_or_doubled(size, batches, seed):
    pool, generator, given_in, come_out = ImagePool(size), torch.Generator().manual_seed(seed), [], []
    for count in batches:
        images = numbered(len(given_in), count)
        returned = pool(images, generator)
        assert returned.shape == images.shape
        for new, old in zip(numbers(images), numbers(returned), strict=True):
            if new < size or size == 0:
                assert old == new  # the pool is still filling
            else:
                assert old <= new
        given_in += numbers(images)
        come_out += numbers(returned)
    stored = numbers(pool.images)
    assert len(stored) == min(size, len(given_in)) and len(set(stored)) == len(stored)
    # The first images are stored and returned; each later one is stored or returned, and replaces one.
    filled = given_in[:size]
    assert sorted(come_out + stored) == sorted(given_in + filled)


@given(seed=st.integers(0, 999), size=st.integers(1, 5))
def test_a_restored_pool_goes_on_alike(seed, size):
    pool, generator = ImagePool(size), torch.Generator().manual_seed(seed)
    pool(numbered(0, 3), generator)
    copy = ImagePool(size)
    copy.load_state_dict(pool.state_dict())
    twins = [torch.Generator().manual_seed(seed) for _ in range(2)]
    for k in range(3, 12):
        assert torch.equal(pool(numbered(k, 1), twins[0]), copy(numbered(k, 1), twins[1]))


def test_half_the_time_an_older_image_chosen_uniformly():
    pool, generator = ImagePool(4), torch.Generator().manual_seed(0)
    pool(numbered(0, 4), generator)
    ages, places, draws = 0, torch.zeros(4), 4000
    for k in range(4, 4 + draws):
        before = numbers(pool.images)
        returned = numbers(pool(numbered(k, 1), generator))[0]
        if returned != k:
            ages += 1
            places[before.index(returned)] += 1
            assert pool.images[before.index(returned)] == k
        else:
            assert numbers(pool.images) == before
    # Four standard deviations of the binomial and of each place's share.
    assert abs(ages / draws - 0.5) < 4 * 0.5 / draws**0.5
    assert (places / ages - 0.25).abs().max() < 4 * (0.25 * 0.75 / ages) ** 0.5


def test_images_are_copied_and_without_gradient():
    pool = ImagePool(2)
    images = numbered(1, 2).requires_grad_()
    assert not pool(images).requires_grad
    images.detach().zero_()
    assert numbers(pool.images) == [1, 2]


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="size=-1"):
        ImagePool(-1)
    pool = ImagePool(3)
    pool(numbered(0, 3))
    with pytest.raises(ValueError, match="3 images do not fit a pool of 2"):
        ImagePool(2).load_state_dict(pool.state_dict())
    empty = ImagePool(2)
    empty.load_state_dict(ImagePool(2).state_dict())
    assert empty.images == []
