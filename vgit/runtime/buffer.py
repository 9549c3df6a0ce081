"""Buffer: the types of bytes that functions take and return without a copy."""

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview
