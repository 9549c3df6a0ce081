r"""Output: what is printed, where, and how names are spelled in it.

    stdout   data: a table on a terminal, plain lines in a pipe, or JSON
    stderr   messages for people: ``note``, ``warn``, and errors

Names of files are bytes. Lines of `ls` in a pipe have them as they are. In JSON
a byte that is not UTF-8 stands as ``\udcXX``, which Python reads back as the
same name (``os.fsencode``). Everything else spells such bytes, and control
characters, as ``\xXX``, so that no name can command a terminal; what ends a line
or turns the direction of writing for others of Unicode is spelled ``\uXXXX``. But
where changes are told, in lines as in patches, names are quoted as git does.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import islice
from math import floor
from typing import Any

import click

from vgit.paths import encode_name

_BATCH = 1000
_TABLE_ROWS = 5000  # laying out a table needs all of it, and takes 0.1 ms a row
# Beside ASCII's control characters: others, ends of lines, what turns the direction of writing, bytes that are not
# UTF-8. Marks of direction (U+200E) and joiners (U+200D) are part of ordinary words and emoji.
_HARMFUL_CLASS = "\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udcff"
_HARMFUL = re.compile(f"[{_HARMFUL_CLASS}]")
_QUOTED = re.compile(f'[\x00-\x1f"\\\\{_HARMFUL_CLASS}]')
_C_ESCAPES = dict(zip('\a\b\t\n\v\f\r"\\', 'abtnvfr"\\', strict=True))
_UNPRINTABLE = re.compile(f"[\x00-\x1f{_HARMFUL_CLASS}]")
_UNPRINTABLE_BUT_LAYOUT = re.compile(f"[\x00-\x08\x0b-\x1f{_HARMFUL_CLASS}]")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB")


def is_terminal() -> bool:
    """Return whether people read what is printed."""
    return sys.stdout.isatty()


def shown(text: str) -> str:
    r"""Return text fit for a terminal, line ends and tabs kept.

    >>> shown("a\x1b[31m\udcff")
    'a\\x1b[31m\\xff'
    """
    return _UNPRINTABLE_BUT_LAYOUT.sub(_hex, text)


def shown_name(name: str) -> str:
    r"""Return a name fit for one line on a terminal: line ends and tabs are spelled too.

    >>> shown_name("two\nlines")
    'two\\x0alines'
    """
    if name.isprintable():  # nothing of what is looked for is; a quarter of the time
        return name
    return _UNPRINTABLE.sub(_hex, name)


def quoted_name(name: str) -> str:
    r"""Return a name as git writes it, with core.quotePath off: in C's quotes if it has what they are for.

    Where changes are told, so that a line and a patch spell a name alike.

    >>> print(quoted_name("a b"), quoted_name("two\nlines"), quoted_name("\udcff"))
    a b "two\nlines" "\377"
    """
    return f'"{_QUOTED.sub(_octal, name)}"' if _QUOTED.search(name) else name


def _octal(found: re.Match[str]) -> str:
    if found[0] in _C_ESCAPES:
        return f"\\{_C_ESCAPES[found[0]]}"
    return "".join(f"\\{byte:03o}" for byte in encode_name(found[0]))


def _hex(found: re.Match[str]) -> str:
    number = ord(found[0])
    is_byte = number <= 0xFF or number >= 0xDC00  # a surrogate stands for the byte in its low eight bits
    return f"\\x{number & 0xFF:02x}" if is_byte else f"\\u{number:04x}"


def note(text: str) -> None:
    """Tell people something, on stderr; after what was printed before, also where both are the same terminal."""
    sys.stdout.flush()
    click.echo(shown(text), err=True)


def warn(text: str) -> None:
    """Tell people something that they should act upon, on stderr."""
    click.echo(f"Warning: {shown(text)}", err=True)


def write(data: bytes) -> None:
    """Write bytes to stdout, buffered."""
    left = memoryview(data)
    while left:  # unbuffered (PYTHONUNBUFFERED), a write may take a part
        left = left[sys.stdout.buffer.write(left) :]


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout, their bytes as they are."""
    waiting = iter(lines)
    while batch := list(islice(waiting, _BATCH)):
        write("".join(f"{line}\n" for line in batch).encode("utf-8", "surrogateescape"))


def write_json(value: Any) -> None:
    """Write one JSON value to stdout."""
    write_lines([_encode(json.dumps(value, ensure_ascii=False, indent=2))])


def write_json_list(values: Iterable[Any]) -> None:
    """Write a JSON array to stdout, one element a line, without having all of it at once."""
    write_lines(_json_lines(values))


def _json_lines(values: Iterable[Any]) -> Iterator[str]:
    line = "["
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for number, value in enumerate(values):
        yield line if number == 0 else f"{line},"
        line = _encode(encode(value))
    yield line
    yield "]"


def _encode(text: str) -> str:
    if text.isascii():
        return text
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows to stdout: a table on a terminal, else lines with tabs between the columns.

    A column whose title ends with ">" is set to the right.
    """
    waiting = iter(rows)
    if not is_terminal():
        write_lines("\t".join(map(shown_name, row)) for row in waiting)
        return
    first = list(islice(waiting, _TABLE_ROWS))
    _write_rich_table(columns, first)
    write_lines("  ".join(map(shown_name, row)) for row in waiting)


def _write_rich_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="" if os.environ.get("NO_COLOR") else "bold")
    for title in columns:
        table.add_column(title.rstrip(">"), justify="right" if title.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown_name(cell)) for cell in row))
    Console(highlight=False).print(table)


def size(size_bytes: int) -> str:
    """Return a size for people.

    >>> size(1023), size(1536), size(3 << 40)
    ('1023 B', '1.5 KiB', '3.0 TiB')
    """
    amount = float(size_bytes)
    units = iter(_UNITS)
    unit = next(units)
    while abs(amount) >= 1023.95:  # 1023.96 would be shown as "1024.0"
        amount /= 1024
        unit = next(units)
    return f"{size_bytes} B" if unit == "B" else f"{amount:.1f} {unit}"


def span(seconds: int) -> str:
    """Return a length of time for people.

    >>> span(59), span(7200), span(400 * 86400)
    ('59 s', '2 h', '400 d')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{max(seconds, 0)} s"


def plural(count: int, noun: str) -> str:
    """Return a count and its noun.

    >>> plural(1, "file"), plural(2, "file")
    ('1 file', '2 files')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def local_time(when: datetime) -> str:
    """Return a time for people, in their own time zone."""
    return local_seconds(floor(when.timestamp()))


@lru_cache(maxsize=4096)
def local_seconds(seconds: int) -> str:
    """Return a time, seconds since the epoch, for people, in their own time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))  # a datetime takes three times as long
