from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from humeanalytics.errors import LakeError, LakeMixed, LakeNotFound, LakeTooNew, LedgerMismatch
from humeanalytics.lake.lake import Lake, open_lake


def test_a_new_lake_keeps_its_identity(tmp_path: Path) -> None:
    with open_lake(tmp_path / "new" / "lake") as made:
        identity = made.identity
    with open_lake(str(tmp_path / "new" / "lake"), create=False) as again:
        assert again.identity == identity
    assert identity.format == 1
    assert identity.synthetic is None
    assert identity.ledger_id is None


def test_a_file_uri_is_the_folder_it_names(tmp_path: Path) -> None:
    folder = tmp_path / "my lake é"
    with open_lake(folder.as_uri()) as lake:
        assert lake.path == folder
        assert (folder / "lake.json").exists()


def test_synthetic_is_decided_once(lake: Lake) -> None:
    assert lake.claim(synthetic=True).synthetic is True
    assert lake.claim(synthetic=True).synthetic is True
    with pytest.raises(LakeMixed, match="sandbox's results, so real ones cannot enter"):
        lake.claim(synthetic=False)
    with open_lake(lake.uri) as again:
        assert again.identity.synthetic is True


def test_a_ledger_is_bound_once(lake: Lake) -> None:
    lake.bind_ledger("ledger-a")
    lake.bind_ledger("ledger-a")
    with pytest.raises(LedgerMismatch, match="ledger-a, not in ledger-b"):
        lake.bind_ledger("ledger-b")
    assert lake.claim(synthetic=False).ledger_id == "ledger-a"


def test_of_two_claims_at_once_one_is_refused(lake: Lake) -> None:
    program = (
        "import sys, time\nfrom humeanalytics.errors import LakeMixed\nfrom humeanalytics.lake import identity\n"
        "from pathlib import Path\n"
        "while time.time() < float(sys.argv[2]): pass\n"
        "try: print(identity.claim(Path(sys.argv[1]), synthetic=sys.argv[3] == 'yes').synthetic)\n"
        "except LakeMixed: print('refused')"
    )
    start = str(time.time() + 2)
    racers = [
        subprocess.Popen([sys.executable, "-c", program, lake.uri, start, which], stdout=subprocess.PIPE, text=True)
        for which in ("yes", "no", "yes", "no")
    ]
    told = [racer.communicate()[0].strip() for racer in racers]
    won = str(lake.identity.synthetic)
    assert sorted(told) == sorted([won, won, "refused", "refused"])


def test_no_lake_is_told_when_none_shall_be_made(tmp_path: Path) -> None:
    with pytest.raises(LakeNotFound, match="no lake at"):
        open_lake(tmp_path / "nowhere", create=False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("name", "looks"),
    [
        ("interview.mp4", "recordings, such as 'interview.mp4'"),
        ("_delta_log", "a Delta table"),
        ("tables", "without its lake.json"),
        ("notes.docx", "other files and folders, such as 'notes.docx'"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_folder_of_something_else_is_not_touched(tmp_path: Path, name: str, looks: str, create: bool) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(LakeError, match=looks):
        open_lake(tmp_path, create=create)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_file_is_no_lake(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a")
    with pytest.raises(LakeError, match="is a file"):
        open_lake(tmp_path / "data.csv")


def test_a_lake_of_a_newer_format_is_refused_with_both_versions(lake: Lake) -> None:
    file = lake.path / "lake.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 7, "new_field": 1}))
    with pytest.raises(LakeTooNew, match="format 7; this humeanalytics reads up to format 1"):
        open_lake(lake.path)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"format": 1}', '{"lake_id": "x"}'])
def test_a_broken_lake_json_is_named(lake: Lake, broken: str) -> None:
    (lake.path / "lake.json").write_text(broken)
    with pytest.raises(LakeError, match=r"lake\.json is broken"):
        open_lake(lake.path)


@pytest.mark.parametrize("uri", ["s3://bucket/lake", "gs://bucket/lake", "az://container/lake"])
def test_buckets_are_refused_plainly(uri: str) -> None:
    with pytest.raises(LakeError, match="not supported yet"):
        open_lake(uri)


@pytest.mark.parametrize("name", ["a[1]", "100%25", "back\\slash", "tab\tx"])
def test_a_path_that_delta_lake_cannot_take_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(LakeError, match="cannot be a lake"):
        open_lake(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
