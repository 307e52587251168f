"""Files of every wrong kind, each with its own message, and files with their bytes changed."""

import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wplus.checkpoints import read_checkpoint
from wplus.errors import CheckpointError, UnsupportedError

_WRONG = {
    "page.pkl": (b"<!DOCTYPE html><html>Google Drive: virus scan warning</html>", "web page, not a checkpoint"),
    "lfs.pkl": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    "notes.txt": (b"hello, this is text\n" * 20, "text file"),
    "photo.png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "PNG picture"),
    "photo.jpg": (b"\xff\xd8\xff\xe0" + b"\0" * 64, "JPEG picture"),
    "net.onnx": (b"\x08\x08\x12\x07pytorch" + b"\0" * 64, "ONNX graph"),
    "net.tar.gz": (b"\x1f\x8b\x08" + b"\0" * 64, "gzip file; unpack it first"),
    "w.npy": (b"\x93NUMPY\x01\x00" + b"\0" * 64, "numpy array"),
    "random": (bytes(range(253, 127, -1)) * 4, "begins with fd fc fb"),
    "list.pkl": (pickle.dumps([1, 2]), "pickle without a network of NVIDIA's: it holds a list"),
    "dict.pkl": (pickle.dumps({"weights": 1}), r"a dict with 1 entries \('weights'\)"),
    "zeros": (bytes(5000), "begins with 00 00"),
}


@pytest.mark.parametrize("name", _WRONG)
def test_a_wrong_file_says_what_it_is(write, name: str) -> None:
    content, message = _WRONG[name]
    with pytest.raises(CheckpointError, match=f"^{name}: .*{message}"):
        read_checkpoint(write(content, name))


def test_a_zip_that_torch_did_not_write_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("a.png", b"x")
    with pytest.raises(CheckpointError, match=r"no file of torch.save: it holds a\.png"):
        read_checkpoint(tmp_path / "pictures.zip")


def test_missing_empty_and_folder_each_say_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.pkl does not exist. Give a checkpoint"):
        read_checkpoint(tmp_path / "absent.pkl")
    (tmp_path / "empty.pkl").touch()
    with pytest.raises(CheckpointError, match=r"empty\.pkl is empty"):
        read_checkpoint(tmp_path / "empty.pkl")
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="There is no demo:cats; known: demo:portraits"):
        read_checkpoint("demo:cats")


def test_another_digest_is_refused_before_anything_is_read(data: Path) -> None:
    path = data / "golden_sg2_orig_32.pkl"
    with pytest.raises(CheckpointError, match=r"has sha256 .* was asked for"):
        read_checkpoint(path, sha256="0" * 64)
    with pytest.raises(ValueError, match="64 hex digits are needed"):
        read_checkpoint(path, sha256="abc")
    digest = read_checkpoint(path).provenance.sha256
    assert read_checkpoint(path, sha256=digest.upper()).provenance.sha256 == digest


def test_the_suffix_does_not_matter(data: Path, tmp_path: Path) -> None:
    (tmp_path / "network.bin").write_bytes((data / "golden_sg2_orig_32.pkl").read_bytes())
    assert read_checkpoint(tmp_path / "network.bin").config.architecture == "orig"


def test_the_demo_is_ours_and_says_where_it_is_from() -> None:
    checkpoint = read_checkpoint("demo:portraits")
    assert checkpoint.config.img_resolution == 128
    assert checkpoint.provenance.licence == "Apache-2.0"
    assert "portraits" in checkpoint.provenance.description


_MUTATED = ["golden_sg2_orig_32.pkl", "sg2ada_cond_32.pkl", "rosinality_64_trainstyle.pt", "small.safetensors"]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files that are changed, by name."""
    from wplus.checkpoints import write_checkpoint

    folder = Path(__file__).parents[1] / "data"
    ours = tmp_path_factory.mktemp("native") / "small.safetensors"
    write_checkpoint(ours, read_checkpoint(folder / "golden_sg2_orig_32.pkl"))
    return {name: ours if name == ours.name else folder / name for name in _MUTATED}


def _read_or_refuse(path: Path, content: bytearray) -> None:
    path.write_bytes(content)
    with suppress(CheckpointError, UnsupportedError):
        read_checkpoint(path)


@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=4),
    near_start=st.booleans(),
    keep=st.floats(0.0, 1.0),
)
@example(changes=[], near_start=False, keep=0.5)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", _MUTATED)
def test_a_changed_file_is_read_or_refused(tmp_path, originals, name, changes, near_start, keep) -> None:
    content = bytearray(originals[name].read_bytes())
    for place, patch in changes:
        start = int(place * (4000 if near_start else len(content)))
        content[start : start + len(patch)] = patch
    if not changes:
        del content[max(1, int(len(content) * keep)) :]
    _read_or_refuse(tmp_path / "network", content)


@given(
    st.binary(min_size=1, max_size=200),
    st.sampled_from([b"", b"\x80\x02", b"\x80\x04", b"PK\x03\x04", b"\x10" + b"\0" * 7 + b"{"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_refused(tmp_path, content, head) -> None:
    path = tmp_path / "network"
    path.write_bytes(head + content)
    with pytest.raises((CheckpointError, UnsupportedError)):
        read_checkpoint(path)
