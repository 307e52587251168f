"""What is in the cache, and removing it."""

import json
import os
from pathlib import Path

import pytest
from filelock import FileLock

from wplus import cache
from wplus.cache import cache_folder, entries, remove
from wplus.errors import ArtifactError


@pytest.fixture
def filled(own_cache: Path) -> Path:
    """A cache with a download, a part of one, a bundle, an unfinished one and an engine."""
    downloads, bundles, engines = (cache_folder(kind) for kind in ("downloads", "bundles", "engines"))
    for folder in (downloads, bundles / "tiny-16-fp32-0a", bundles / ".tiny-16-fp32-0b-x_1", engines / "tiny-sm86"):
        folder.mkdir(parents=True)
    for name in ("0a-ffhq.pkl", "0a-ffhq.pkl.lock", "0b-cars.pkl.part", "0b-cars.pkl.part.tag"):
        (downloads / name).write_bytes(b"x" * 10)
    (bundles / "tiny-16-fp32-0a" / "key.json").write_text(json.dumps({"network": "tiny.pkl", "precision": "fp32"}))
    (bundles / "tiny-16-fp32-0a" / "synthesis.onnx").write_bytes(b"x" * 100)
    os.utime(bundles / "tiny-16-fp32-0a" / "key.json", (0, 86400))
    (bundles / "tiny-16-fp32-0a.lock").touch()
    (engines / "tiny-sm86" / "synthesis.engine").write_bytes(b"x" * 50)
    return own_cache / "wplus"


def test_everything_is_listed_for_what_it_is(filled: Path) -> None:
    found = {entry.key: entry for entry in entries()}
    assert {key: entry.kind for key, entry in found.items()} == {
        "0a-ffhq.pkl": "downloads",
        "0b-cars.pkl.part": "downloads",
        "tiny-16-fp32-0a": "bundles",
        ".tiny-16-fp32-0b-x_1": "bundles",
        "tiny-sm86": "engines",
    }
    assert found["0a-ffhq.pkl"].network == "ffhq.pkl"
    assert found[".tiny-16-fp32-0b-x_1"].network == "unfinished or being made"
    bundle = found["tiny-16-fp32-0a"]
    assert (bundle.network, bundle.precision, bundle.last_used) == ("tiny.pkl", "fp32", 86400)
    assert bundle.path == filled / "bundles" / "tiny-16-fp32-0a"
    assert bundle.size > 100


def test_all_of_it_can_be_removed(filled: Path) -> None:
    assert len(remove(entries())) == 5
    assert entries() == []
    assert {path.suffix for path in filled.rglob("*") if path.is_file()} == {".lock"}


@pytest.mark.parametrize(
    ("key", "lock"),
    [
        ("tiny-16-fp32-0a", "bundles/tiny-16-fp32-0a.lock"),
        (".tiny-16-fp32-0b-x_1", "bundles/tiny-16-fp32-0b.lock"),
        ("0b-cars.pkl.part", "downloads/0b-cars.pkl.lock"),
    ],
)
def test_what_another_process_is_making_is_left_alone(filled: Path, key: str, lock: str) -> None:
    doomed = [entry for entry in entries() if entry.key == key]
    with FileLock(filled / lock):
        assert remove(doomed) == []
    assert doomed[0].path.exists()
    assert remove(doomed) == doomed
    assert not doomed[0].path.exists()


def test_what_cannot_be_removed_says_so(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    assert filled
    monkeypatch.setattr(cache, "remove_whole", refuse)
    with pytest.raises(ArtifactError, match=r"cannot be removed: Permission denied"):
        remove(entries())


def test_a_cache_that_does_not_exist_is_empty(own_cache: Path) -> None:
    assert entries() == []
    assert not own_cache.exists()
