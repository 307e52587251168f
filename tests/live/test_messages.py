"""What pages may say."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wplus.live.messages import MOST_BYTES, Ack, Do, Set, ViolationError, is_name, read_message

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of a machine that is busy
_KEYS = st.sampled_from(["set", "ack", "do", "name", "preset", "format", "parameter"])


def test_the_three_messages_are_read() -> None:
    assert read_message('{"set": {"speed": 2, "seeds": [1, 2]}}') == Set(values={"speed": 2.0, "seeds": (1, 2)})
    assert read_message('{"ack": 7}') == Ack(number=7)
    assert read_message('{"do": "tap"}') == Do(command="tap", arguments={})
    assert read_message('{"do": "save_preset", "name": "one"}') == Do(command="save_preset", arguments={"name": "one"})


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"{}",
        "",
        "hello",
        "[]",
        "{}",
        "[" * 10_000,
        '{"a":' * 2_000,
        "1" * 10_000,
        '{"set": {"speed": NaN}}',
        '{"set": {"speed": 1e999}}',
        '{"set": {"speed": true}}',
        '{"set": {"speed": "fast"}}',
        '{"set": {"velocity": 1}}',
        '{"set": {"__class__": 1}}',
        '{"set": []}',
        '{"set": {"seeds": [1]}}',
        '{"set": {"speed": 1}, "ack": 1}',
        '{"ack": -1}',
        '{"ack": 1.5}',
        '{"ack": true}',
        '{"ack": 4294967296}',
        '{"do": "shutdown"}',
        '{"do": ["tap"]}',
        '{"do": "tap", "more": 1}',
        '{"do": "save_preset"}',
        '{"do": "save_preset", "name": "../etc/passwd"}',
        '{"do": "load_preset", "name": "a", "preset": {}}',
        '{"do": "format", "format": "png"}',
        '{"do": "learn", "parameter": 3}',
        '{"set": {"speed": 1}}' + " " * MOST_BYTES,
    ],
    ids=lambda text: repr(text)[:40],
)
def test_anything_else_is_a_violation(text: Any) -> None:
    with pytest.raises(ViolationError):
        read_message(text)


def test_a_message_is_measured_in_bytes() -> None:
    text = json.dumps({"do": "save_preset", "name": "ä" * (MOST_BYTES // 2)}, ensure_ascii=False)
    with pytest.raises(ViolationError, match="at most 16384 bytes"):
        read_message(text)


@_PATIENT
@given(st.dictionaries(_KEYS, _JSON, max_size=3))
def test_no_object_does_worse_than_a_violation(values: dict[str, Any]) -> None:
    try:
        message = read_message(json.dumps(values))
    except ViolationError:
        return
    assert isinstance(message, Set | Ack | Do)


@_PATIENT
@given(st.text())
def test_no_text_does_worse_than_a_violation(text: str) -> None:
    try:
        read_message(text)
    except ViolationError:
        return


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", ".hidden", "a\n", "a" * 65, "ä", " a", None, 3])
def test_no_name_leads_out_of_the_folder(name: object) -> None:
    assert not is_name(name)
