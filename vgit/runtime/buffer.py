"""Buffer: the types in which bytes are handed on without a copy."""

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview
