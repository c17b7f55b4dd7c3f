"""Does every engine keep what the rest relies on? Whatever can be asked without a server."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from backups.engines import ENGINES, Engine, refuse_unfit_kind
from backups.engines.base import BLOCK_KINDS
from backups.exceptions import BadInput
from backups.models import JobStage
from backups.states import BackupKind
from backups.typed_json import read_fields, write_fields
from tests.backups.fake_engine import FakeEngine

VALUES = {
    "str | None": "text",
    "int | None": 4711,
    "bool | None": False,
    "Texts | None": {"a": "b"},
}


# Any: each takes requests with options of its own.
@pytest.fixture(params=[*ENGINES, FakeEngine.name])
def engine(request: pytest.FixtureRequest) -> Engine[Any]:
    return ENGINES[request.param]


def test_its_sub_operations_have_names_of_their_own(engine: Engine[Any]) -> None:
    longest = JobStage._meta.get_field("name").max_length
    assert longest
    assert len(engine.stages) == len(set(engine.stages)) > 0
    assert all(0 < len(name) <= longest for name in engine.stages)


def test_it_takes_full_backups_and_refuses_what_it_does_not_take(engine: Engine[Any]) -> None:
    assert engine.kinds >= BLOCK_KINDS
    assert engine.kinds <= set(BackupKind.values)
    for kind in BackupKind:
        if kind in engine.kinds:
            refuse_unfit_kind(engine.name, kind)
        else:
            with pytest.raises(BadInput, match=f"{kind} backups are not supported by engine"):
                refuse_unfit_kind(engine.name, kind)


def test_nothing_has_to_be_asked_of_it(engine: Engine[Any]) -> None:
    options = engine.options()
    assert read_fields(engine.options, write_fields(options)) == options
    with pytest.raises(BadInput, match="unknown key no_such_option"):
        read_fields(engine.options, {"no_such_option": True})


def test_what_it_tells_comes_back_as_it_was(engine: Engine[Any]) -> None:
    values: dict[str, Any] = {
        field.name: VALUES[str(field.type)] for field in fields(engine.details)
    }
    details = engine.details(**values)
    assert all(isinstance(text, str) for text in details.write().values())
    assert engine.details.read(details.write()) == details


def test_what_it_does_not_tell_is_not_stored(engine: Engine[Any]) -> None:
    assert engine.details().write() == {}
    assert engine.details.read({}) == engine.details()
    # As earlier versions stored it.
    blanks = {field.name: "" for field in fields(engine.details)}
    assert engine.details.read(blanks) == engine.details()


def test_what_a_newer_version_tells_is_no_fault(engine: Engine[Any]) -> None:
    assert engine.details.read({"no_such_fact": "x", "keyring_file": "k"}).keyring_file == "k"
    numbers = {
        field.name: "a lot" for field in fields(engine.details) if "str" not in str(field.type)
    }
    assert engine.details.read(numbers) == engine.details()
