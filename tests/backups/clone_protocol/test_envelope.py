"""Are commands and answers read back as they were written, and nothing else read at all?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.clone_protocol.envelope import (
    Ack,
    Answer,
    Collation,
    Complete,
    Described,
    Failure,
    Locator,
    Locators,
    Opening,
    Plugin,
    Response,
    Setting,
    parse_answer,
)
from backups.clone_protocol.errors import ProtocolError

u8 = st.integers(0, 255)
u32 = st.integers(0, 2**32 - 1)
text = st.text(st.characters(codec="utf-8"), max_size=40)
locators = st.builds(Locator, u8, st.binary(max_size=40))
some_locators = st.lists(locators, max_size=3).map(tuple)
openings = st.builds(Opening, u32, st.integers(0, 2**31 - 1), st.booleans(), some_locators)
acks = st.builds(Ack, st.integers(-(2**31), 2**31 - 1), locators, st.binary(max_size=60))
answers: st.SearchStrategy[tuple[Response, Answer]] = st.one_of(
    st.tuples(st.just(Response.PLUGIN), st.builds(Plugin, text)),
    st.tuples(st.just(Response.PLUGIN_V2), st.builds(Plugin, text, text)),
    st.tuples(st.just(Response.COLLATION), st.builds(Collation, text)),
    st.tuples(
        st.sampled_from([Response.SETTING, Response.SETTING_V3, Response.SETTING_V4]),
        st.builds(Setting, text, text),
    ),
    st.tuples(st.just(Response.LOCATORS), st.builds(Locators, u32, some_locators)),
    st.tuples(st.just(Response.DESCRIPTOR), st.builds(Described, u8, u8, st.binary(max_size=60))),
    st.tuples(st.just(Response.ERROR), st.builds(Failure, st.integers(-(2**31), 2**31 - 1), text)),
    st.tuples(st.just(Response.COMPLETE), st.just(Complete())),
)
# Their last field is whatever is left, so they can be cut in their heads only.
HEADS = {Response.DESCRIPTOR: 3, Response.ERROR: 5, Response.LOCATORS: 5}


@given(answers)
def test_an_answer_is_parsed_back(pair: tuple[Response, Answer]) -> None:
    response, answer = pair
    assert parse_answer(bytes((response,)) + answer.build()) == answer


@given(answers, st.data())
def test_a_truncated_answer_is_refused(pair: tuple[Response, Answer], data: st.DataObject) -> None:
    response, answer = pair
    whole = bytes((response,)) + answer.build()
    cut = data.draw(st.integers(0, HEADS.get(response, len(whole)) - 1))
    with pytest.raises(ProtocolError):
        parse_answer(whole[:cut])


@given(st.binary(max_size=120))
def test_random_answers_are_refused_or_mean_what_they_are(content: bytes) -> None:
    try:
        answer = parse_answer(content)
    except ProtocolError:
        return
    if not isinstance(answer, Failure):
        assert content[:1] + answer.build() == content


@given(openings)
def test_an_opening_is_parsed_back(opening: Opening) -> None:
    assert Opening.parse(opening.build()) == opening


@given(acks)
def test_an_ack_is_parsed_back(ack: Ack) -> None:
    assert Ack.parse(ack.build()) == ack


@given(acks, st.data())
def test_a_truncated_ack_is_refused(ack: Ack, data: st.DataObject) -> None:
    whole = ack.build()
    with pytest.raises(ProtocolError):
        Ack.parse(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=60))
def test_random_commands_are_refused_or_mean_what_they_are(content: bytes) -> None:
    for parse in (Opening.parse, Ack.parse):
        try:
            parsed = parse(content)
        except ProtocolError:
            continue
        assert parsed.build() == content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty response"),
        (b"\x00", "unknown response 0"),
        (b"\x0a", "unknown response 10"),
        (b"\x03abc", "without a descriptor"),
        (b"\x63!", "a message has 1 bytes"),
        (b"\x06\x01\x00\x00\x00\xff", "not UTF-8"),
        (b"\x06\xff\xff\xff\xffabc", "ends where 4294967295 bytes were due"),
    ],
)
def test_it_says_what_it_does_not_know(content: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        parse_answer(content)


def test_ddl_is_allowed_by_the_highest_bit() -> None:
    assert Opening(0x102, 300, True).build() == b"\x02\x01\x00\x00\x2c\x01\x00\x80"
    assert Opening(0x102, 300, False).build() == b"\x02\x01\x00\x00\x2c\x01\x00\x00"


def test_an_error_message_may_be_cut_inside_a_letter() -> None:
    message = b"\x64\x01\x00\x00\x00gro\xc3"
    assert parse_answer(message) == Failure(1, "gro�")
