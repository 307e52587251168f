"""`wplus cache`: what it lists and removes."""

import json
from pathlib import Path

import pytest
from cli_support import Run
from filelock import FileLock

from wplus.cache import cache_folder


@pytest.fixture
def bundle(own_cache: Path) -> Path:
    """A bundle's folder in a cache of the test's own, which has a download too."""
    assert own_cache
    folder = cache_folder("bundles") / "ffhq-1024-fp32-0a"
    folder.mkdir(parents=True)
    (folder / "key.json").write_text(json.dumps({"network": "ffhq.pkl", "precision": "fp32"}))
    (folder / "synthesis.onnx").write_bytes(bytes(3 * 2**20))
    cache_folder("downloads").mkdir()
    (cache_folder("downloads") / "0a-ffhq.pkl").touch()
    return folder


def test_everything_is_listed_with_what_it_is(run: Run, bundle: Path) -> None:
    outcome = run("cache")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert f"bundles: networks that were exported on demand, with their plans, 3.0 MiB in {bundle.parent}" in lines
    assert any(line.split()[:4] == ["ffhq.pkl", "fp32", "3.0", "MiB"] for line in lines)
    assert f"    {bundle}" in lines
    assert any(line.startswith("engines: ") for line in lines)


def test_one_entry_is_removed_by_its_key(run: Run, bundle: Path) -> None:
    outcome = run("cache", "clear", bundle.name)
    assert (outcome.code, outcome.out) == (0, "1 entry removed, 3.0 MiB.\n")
    assert not bundle.exists()
    assert (cache_folder("downloads") / "0a-ffhq.pkl").exists()


def test_all_of_it_is_removed(run: Run, bundle: Path) -> None:
    assert run("cache", "clear", "--all").out == "2 entries removed, 3.0 MiB.\n"
    assert not bundle.exists()
    assert run("cache", "clear", "--all").out == "0 entries removed, 0.0 MiB.\n"


def test_what_is_being_made_is_left_alone_and_said(run: Run, bundle: Path) -> None:
    with FileLock(bundle.with_name(f"{bundle.name}.lock")):
        outcome = run("cache", "clear", "--all")
    assert outcome.code == 1
    assert f"Left alone, since another process is making it: {bundle.name}." in outcome.err
    assert bundle.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "Give either a KEY"), (("--all", "x"), "Give either a KEY"), (("ffhq",), "nothing of the name ffhq")],
)
def test_wrong_usage_says_so(run: Run, bundle: Path, arguments: tuple[str, ...], message: str) -> None:
    outcome = run("cache", "clear", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert bundle.exists()
