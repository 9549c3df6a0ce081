"""Batches: items cut, in their order, so that each batch is bounded in number and in bytes."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def batches(
    items: Iterable[_Item], size_of: Callable[[_Item], int], *, most_items: int, most_bytes: int
) -> Iterator[list[_Item]]:
    """Yield the items in batches that end with the item that reaches a limit.

    >>> list(batches([1, 2, 9, 1, 1, 1, 1], int, most_items=3, most_bytes=10))
    [[1, 2, 9], [1, 1, 1], [1]]
    """
    batch: list[_Item] = []
    size_bytes = 0
    for item in items:
        batch.append(item)
        size_bytes += size_of(item)
        if len(batch) >= most_items or size_bytes >= most_bytes:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch
