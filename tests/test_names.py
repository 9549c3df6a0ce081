"""Test_names: what a volume may be called, and ids that never repeat."""

import re
import string
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vgit.clock import SYSTEM_CLOCK, Clock
from vgit.errors import InvalidError
from vgit.names import check_environment_name, check_volume_id, check_volume_name, new_volume_id

CHARACTERS = string.ascii_letters + string.digits + "._-"
CHECKS = [check_volume_name, check_environment_name]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", ["a", "Z", "0", "-", "_", "...", ".a", "a.", "-rf", "my-volume_2.0", "x" * 64])
def test_good_names(check: Callable[[str], str], name: str) -> None:
    assert check(name) == name


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "x" * 65, "a b", "a/b", "a\n", "\na", "a\0", "é", "٣", "a\\b", "a:b", "~", None, 7, b"a"],
)
def test_bad_names(check: Callable[[object], str], name: object) -> None:
    with pytest.raises(InvalidError):
        check(name)


def test_the_message_names_what_is_wrong() -> None:
    with pytest.raises(InvalidError, match=r"^Invalid Volume name: 'a b'\. "):
        check_volume_name("a b")
    with pytest.raises(InvalidError, match=r"^Invalid Environment name: 'a b'\. "):
        check_environment_name("a b")


@given(st.text(CHARACTERS, min_size=1, max_size=64).filter(lambda name: name not in (".", "..")))
def test_every_name_of_these_characters_is_good(name: str) -> None:
    assert check_volume_name(name) == name


@given(st.text(max_size=70))
@example("a\n")
def test_a_name_is_good_or_refused(name: str) -> None:
    good = 1 <= len(name) <= 64 and set(name) <= set(CHARACTERS) and name not in (".", "..")
    if good:
        assert check_volume_name(name) == name
    else:
        with pytest.raises(InvalidError):
            check_volume_name(name)


def clock_of(random: bytes) -> Clock:
    """Return a clock whose randomness is ``random``."""

    def random_bytes(size: int) -> bytes:
        assert size == len(random)
        return random

    return Clock(lambda: 0, lambda: 0.0, lambda seconds: None, random_bytes)


@given(st.binary(min_size=17, max_size=17))
@example(bytes(17))
@example(b"\xff" * 17)
def test_an_id_has_its_form(random: bytes) -> None:
    id = new_volume_id(clock_of(random))
    assert re.fullmatch(r"vo-[0-9A-Za-z]{22}", id)
    assert check_volume_id(id) == id
    assert check_volume_name(id) == id  # so that an id is as good a file name as a name is


@given(*[st.integers(0, 62**22 - 1)] * 2)
def test_different_numbers_give_different_ids(one: int, other: int) -> None:
    ids = {new_volume_id(clock_of(number.to_bytes(17, "little"))) for number in (one, other)}
    assert len(ids) == len({one, other})


def test_ids_of_the_system_do_not_repeat() -> None:
    assert len({new_volume_id(SYSTEM_CLOCK) for _ in range(1000)}) == 1000


GOOD_ID = "vo-" + "a" * 22


@pytest.mark.parametrize(
    "volume_id",
    [
        "",
        "vo-",
        GOOD_ID[:-1],
        GOOD_ID + "a",
        GOOD_ID + "\n",
        " " + GOOD_ID,
        "VO-" + "a" * 22,
        "vo-" + "é" * 22,
        "vo-" + "-" * 22,
        "vo-../../../../../../../x",
        None,
        7,
        GOOD_ID.encode(),
    ],
)
def test_bad_ids(volume_id: str) -> None:
    with pytest.raises(InvalidError, match=r"^Invalid Volume id: "):
        check_volume_id(volume_id)
