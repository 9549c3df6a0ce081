"""Transfer progress: how a transfer tells how far it is; whoever shows it implements this."""

from typing import Protocol


class Progress(Protocol):
    """Told of files and bytes, from the thread that called the transfer. Calls are many: they have to be cheap."""

    def expect(self, files: int, size_bytes: int) -> None:
        """So much more is to come than was known before. Of a stream whose length nobody knows, a file of 0 bytes."""

    def advance(self, files: int, size_bytes: int) -> None:
        """So much more is done. Sums may differ from what was expected: a file can grow while it is read."""


class NoProgress:
    """For transfers that nobody watches."""

    def expect(self, files: int, size_bytes: int) -> None:
        """Do nothing."""

    def advance(self, files: int, size_bytes: int) -> None:
        """Do nothing."""
