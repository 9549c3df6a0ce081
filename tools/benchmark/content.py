"""Content: bytes that compress like text, or like weights and checkpoints, and are the same for the same seed.

Weights are a normal distribution, made two or four bytes at a time without
numpy: the bytes of the mantissa are random, the byte with sign and exponent is
a random byte looked up in a table that holds it 256 times by its likelihood.
"""

import random
import struct
from collections.abc import Iterator
from itertools import accumulate
from statistics import NormalDist

MIB = 1 << 20

_QUANTILES = [NormalDist(0, 0.02).inv_cdf((i + 0.5) / 256) for i in range(256)]


def _table(code: str, index: int) -> bytes:
    return bytes(struct.pack(code, value)[index] for value in _QUANTILES)


# number format → for each byte of a number, the table it is looked up in; None: random as it is
_FORMATS: dict[str, list[bytes | None]] = {
    "float16": [None, _table("<e", 1)],
    "float32": [None, None, None, _table("<f", 3)],
}


class Text:
    """Sentences out of a vocabulary with few frequent words and many rare ones."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgk"
        words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(4000)]
        likelihood = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
        self._sentences = [
            " ".join(chance.choices(words, cum_weights=likelihood, k=chance.randint(6, 14))).encode() + b".\n"
            for _ in range(40_000)
        ]
        self._mean_bytes = sum(map(len, self._sentences)) // len(self._sentences)

    def make(self, chance: random.Random, size_bytes: int) -> bytes:
        """Return exactly ``size_bytes`` of text."""
        count = size_bytes // self._mean_bytes + 4
        text = b"".join(chance.choices(self._sentences, k=count))
        while len(text) < size_bytes:
            text += chance.choice(self._sentences)
        return text[:size_bytes]


def numbers(number_format: str, seed: int, size_bytes: int) -> Iterator[bytes]:
    """Yield ``size_bytes`` of normally distributed numbers, a piece at a time."""
    chance = random.Random(seed)
    tables = _FORMATS[number_format]
    width = len(tables)
    for start in range(0, size_bytes, MIB):
        count = min(MIB, size_bytes - start) // width
        piece = bytearray(chance.randbytes(count * width))
        for index, table in enumerate(tables):
            if table is not None:
                piece[index::width] = piece[index::width].translate(table)
        yield bytes(piece)
