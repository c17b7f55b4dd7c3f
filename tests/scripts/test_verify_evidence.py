"""A report that is not what was signed is refused, however it was forged."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from backups.models import SigningKey
from scripts import verify_evidence
from scripts.verify_evidence import KEY_ID_LENGTH, digest_of, main
from tests.backups.evidence_report.reported import export, heads, make_month

pytestmark = pytest.mark.django_db
SCRIPT = Path(verify_evidence.__file__)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_month()
    assert export(tmp_path / "report").exit_code == 0
    return tmp_path / "report"


def key_id() -> str:
    return SigningKey.objects.get().key_id


def edit(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    value = json.loads((folder / name).read_text())
    change(value)
    (folder / name).write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def links(report: Any) -> Any:
    return report["instances"][0]["chain"]["links"]


def renew_hashes(folder: Path) -> None:
    """Have the manifest name the files as they are now."""

    def renew(manifest: Any) -> None:
        for name in manifest["files"]:
            content = (folder / name).read_bytes()
            manifest["files"][name] = {
                "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)
            }  # fmt: skip

    edit(folder, "manifest.json", renew)


def sign_with_own_key(folder: Path) -> None:
    """Sign as a stranger would who can compute every hash."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    own = hashlib.sha256(public.public_bytes_raw()).hexdigest()[:KEY_ID_LENGTH]
    renew_hashes(folder)
    edit(folder, "manifest.json", lambda manifest: manifest.update(key_id=own))
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public_key.pem").write_bytes(pem)
    signature = private.sign((folder / "manifest.json").read_bytes())
    (folder / "manifest.sig").write_bytes(base64.b64encode(signature))


def test_a_report_as_it_was_signed_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (head,) = heads()
    assert main([str(folder), "--key-id", key_id(), "--head", head]) == 0
    assert main([str(folder), "--public-key", str(folder / "public_key.pem")]) == 0
    assert f"signed by key {key_id()}" in capsys.readouterr().out


def test_without_a_known_key_something_is_not_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder)]) == 3
    assert "is the one you know: give --key-id" in capsys.readouterr().out


def test_it_runs_alone_and_without_the_library_says_what_it_left_out(
    folder: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "verify_evidence.py"
    alone.write_bytes(SCRIPT.read_bytes())
    words = [str(folder), "--key-id", key_id()]
    ended = subprocess.run(
        [sys.executable, "-I", str(alone), *words], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    # -S: nothing but Python's own library is found.
    ended = subprocess.run(
        [sys.executable, "-I", "-S", str(alone), *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "NOT CHECKED: the signature: install the Python library cryptography" in ended.stdout


def change_a_result(report: Any) -> None:
    links(report)[2]["content"]["passed"] = True


def change_it_with_its_digest(report: Any) -> None:
    change_a_result(report)
    link = links(report)[2]
    link["content_digest"] = digest_of(link["content"])


def cut_the_end(report: Any) -> None:
    links(report).pop()


def cut_the_beginning(report: Any) -> None:
    links(report).pop(0)
    links(report)[0]["previous"] = ""


def cut_the_end_and_the_length(report: Any) -> None:
    cut_the_end(report)
    chain = report["instances"][0]["chain"]
    chain["length"], chain["head"] = len(links(report)) + 1, links(report)[-1]["digest"]


def reorder(report: Any) -> None:
    links(report)[1], links(report)[2] = links(report)[2], links(report)[1]


def exchange_the_instance(report: Any) -> None:
    report["instances"][0]["uuid"] = "00000000-0000-0000-0000-000000000000"


FORGED: list[tuple[Callable[[Any], None], str]] = [
    (change_a_result, "link 4: the row was changed after it was recorded"),
    (change_it_with_its_digest, "link 4: its hash is wrong"),
    (cut_the_end, "the chain does not lead to its head"),
    (cut_the_beginning, "link 3 does not begin its chain"),
    (cut_the_end_and_the_length, "the head of orders-1 is not that of manifest.json"),
    (reorder, "link 2, link 3: missing, or in another place"),
    (exchange_the_instance, "heads of other instances"),
    (lambda report: report.pop("instances"), "is not shaped as a report"),
]


@pytest.mark.parametrize(("forge", "words"), FORGED)
def test_a_forged_report_is_refused_by_its_hash_and_by_its_chain(
    folder: Path, capsys: pytest.CaptureFixture[str], forge: Callable[[Any], None], words: str
) -> None:
    known = ["--key-id", key_id()]
    edit(folder, "report.json", forge)
    assert main([str(folder), *known]) == 1
    assert "report.json was changed after it was signed" in capsys.readouterr().err
    renew_hashes(folder)
    assert main([str(folder), *known]) == 1
    assert "does not have the signature of key" in capsys.readouterr().err
    # Even where the signature is good, the chain is not.
    sign_with_own_key(folder)
    assert main([str(folder), *known]) == 1
    assert "it is signed by key" in capsys.readouterr().err
    assert main([str(folder)]) == 1
    assert words.removeprefix("link 2, ") in capsys.readouterr().err


@pytest.mark.parametrize("name", ["runs.csv", "report.html", "manifest.sig", "public_key.pem"])
def test_each_file_counts(folder: Path, name: str) -> None:
    known = ["--key-id", key_id()]
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-5])
    assert main([str(folder), *known]) == 1
    (folder / name).unlink()
    assert main([str(folder), *known]) in (1, 2)


def test_what_was_not_signed_and_links_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "more.csv").write_text("x")
    assert main([str(folder), "--key-id", key_id()]) == 1
    (folder / "more.csv").unlink()
    (folder / "runs.csv").rename(tmp_path / "runs.csv")
    (folder / "runs.csv").symlink_to(tmp_path / "runs.csv")
    assert main([str(folder), "--key-id", key_id()]) == 1


def test_a_report_by_a_stranger_passes_only_for_who_knows_no_key(folder: Path) -> None:
    known = key_id()
    sign_with_own_key(folder)
    assert main([str(folder), "--key-id", known]) == 1
    assert main([str(folder)]) == 3


def test_a_head_that_was_sent_before_must_be_in_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--key-id", key_id(), "--head", "ab" * 32]) == 1
    assert "its chain was replaced" in capsys.readouterr().err


def test_no_folder_is_nothing_to_check(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2
