"""Can everything still be read that the first version wrote, by Mooring and without it?

``tests/data/binlog-segments-1`` was written by the version that introduced segments, and is never
written again. Where a test here fails, the format has changed: it needs a new number.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backups.archive.keys import load_keyring, parse_keyring
from backups.binlogs.index.read import SegmentIndex
from backups.binlogs.segments.names import SegmentPlace, place_of_manifest
from backups.binlogs.segments.reader import SegmentReader
from backups.repositories.directory import DirectoryStore
from tests.backups.binlogs.made import real

ROOT = Path(__file__).resolve().parents[4]
GOLDEN = ROOT / "tests" / "data" / "binlog-segments-1"
SCRIPT = ROOT / "scripts" / "extract_binlogs.py"
MYSQL = "00000000-0000-4000-8000-00000000000a"  # in five pieces, sealed
MARIADB = "00000000-0000-4000-8000-00000000000b"  # in one, not encrypted
EXPECTED = {
    MYSQL: {"binlog.000001": "mysql-statements", "binlog.000002": "mysql-formats"},
    MARIADB: {"mariadb-bin.000001": "mariadb-formats"},
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(GOLDEN / "repository", tmp_path / "repository"))


def places(repository: Path) -> list[SegmentPlace]:
    names = DirectoryStore(repository).list("instances/")
    return [place for name in names if (place := place_of_manifest(name))]


def extract(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    key = ["--key-file", str(GOLDEN / "backup.key")]
    command = [sys.executable, str(SCRIPT), str(repository), *key, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_mooring_reads_every_byte_and_index() -> None:
    keyring = parse_keyring((GOLDEN / "backup.key").read_text(), source="golden")
    store = DirectoryStore(GOLDEN / "repository")
    found: dict[str, dict[str, bytes]] = {}
    transactions = 0
    for place in places(GOLDEN / "repository"):
        reader = SegmentReader(store, place, keyring)
        reader.check_whole()
        facts = reader.manifest.facts
        files = found.setdefault(str(place.timeline), {})
        files[place.file] = files.get(place.file, b"") + b"".join(
            reader.read(facts.start, facts.end)
        )
        assert len(SegmentIndex.unpack(reader.index())) == facts.transactions
        transactions += facts.transactions
    assert found == {
        timeline: {file: real(name) for file, name in files.items()}
        for timeline, files in EXPECTED.items()
    }
    assert transactions == 19 + 18 + 22


class TestExtractor:
    def test_the_files_are_those_of_the_server(self, repository: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        ended = extract(repository, "--timeline", MYSQL, "--to", str(out))
        assert ended.returncode == 0, ended.stderr
        assert {path.name: path.read_bytes() for path in out.iterdir()} == {
            file: real(name) for file, name in EXPECTED[MYSQL].items()
        }

    def test_it_begins_with_the_file_that_is_named(self, repository: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        words = ["--timeline", MYSQL, "--from", "binlog.000002", "--to", str(out)]
        assert extract(repository, *words).returncode == 0
        assert [path.name for path in out.iterdir()] == ["binlog.000002"]

    def test_the_list_names_timelines_keys_and_moments(self, repository: Path) -> None:
        keyring = load_keyring(text=(GOLDEN / "backup.key").read_text().split()[1])
        first, *_, last = extract(repository, "--list").stdout.splitlines()
        assert first.startswith(f"{MYSQL}  {keyring.current.id}  binlog.000001  4 pieces")
        assert last.startswith(f"{MARIADB}  none  mariadb-bin.000001  1 pieces")

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["--timeline", MARIADB], "is not encrypted"),
            ([], "not exactly one timeline"),
            (["--timeline", MYSQL, "--from", "binlog.000009"], "is not in the repository"),
        ],
    )
    def test_it_refuses(
        self, repository: Path, tmp_path: Path, words: list[str], problem: str
    ) -> None:
        ended = extract(repository, *words, "--to", str(tmp_path / "out"))
        assert (ended.returncode, problem in ended.stderr) == (2, True), ended.stderr

    def test_without_the_key_it_refuses(self, repository: Path, tmp_path: Path) -> None:
        words = [str(repository), "--timeline", MYSQL, "--to", str(tmp_path / "out")]
        ended = subprocess.run(
            [sys.executable, str(SCRIPT), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (ended.returncode, "at hand: none" in ended.stderr) == (2, True)

    # The fourth has only the rotation, no transaction.
    @pytest.mark.parametrize("number", [0, 1, 2, 4])
    def test_a_missing_piece_is_noticed(
        self, repository: Path, tmp_path: Path, number: int
    ) -> None:
        place = places(repository)[number]
        (repository / place.manifest_name).unlink()
        ended = extract(repository, "--timeline", MYSQL, "--to", str(tmp_path / "out"))
        # Nothing says that there was a file after the last one.
        expected = 0 if place.file == "binlog.000002" else 1
        assert ended.returncode == expected, ended.stderr

    def test_every_flipped_bit_is_noticed(self, repository: Path, tmp_path: Path) -> None:
        place = places(repository)[0]
        for name, at in [(place.data_name, 9), (place.data_name, 700), (place.manifest_name, 400)]:
            path = repository / name
            good = path.read_bytes()
            bad = bytearray(good)
            bad[at] ^= 1
            path.write_bytes(bad)
            out = tmp_path / f"out-{at}"
            ended = extract(repository, "--timeline", MYSQL, "--to", str(out))
            assert ended.returncode == 1, (name, at, ended.stdout)
            path.write_bytes(good)
