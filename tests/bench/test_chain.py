"""Do programs joined by pipes do what a shell's pipeline does, and does no failure pass?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bench.chain import run_chain
from bench.measure import BenchError

TEXT = b"one\ntwo\n" * 50_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(TEXT)
    return path


def test_bytes_pass_through_every_program(tmp_path: Path, source: Path) -> None:
    sink = tmp_path / "sink"

    run_chain([("cat",), ("tr", "o", "0"), ("cat",)], logs=tmp_path, source=source, sink=sink)

    assert sink.read_bytes() == TEXT.replace(b"o", b"0")


def test_a_program_aside_reads_what_the_file_gets(tmp_path: Path, source: Path) -> None:
    sink, digest = tmp_path / "sink", tmp_path / "digest"

    run_chain(
        [("cat",), ("tee",)],
        logs=tmp_path,
        source=source,
        sink=sink,
        aside=("sha256sum",),
        aside_sink=digest,
    )

    assert sink.read_bytes() == TEXT
    assert digest.read_text().split()[0] == hashlib.sha256(TEXT).hexdigest()


@pytest.mark.parametrize("position", range(3))
def test_a_failure_anywhere_is_a_failure(tmp_path: Path, source: Path, position: int) -> None:
    chain = [["cat"], ["cat"], ["cat"]]
    chain[position] = ["ls", "/nowhere"]

    with pytest.raises(BenchError, match=r"ls ended with 2[\s\S]*/nowhere"):
        run_chain(chain, logs=tmp_path, source=source)


def test_a_failure_aside_is_a_failure(tmp_path: Path, source: Path) -> None:
    with pytest.raises(BenchError, match="false ended with 1"):
        run_chain([("tee",)], logs=tmp_path, source=source, aside=("false",))
