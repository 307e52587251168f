"""`wplus sample`, from the flags to the files."""

import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from cli_support import Run
from numpy.typing import NDArray
from PIL import Image
from support import DATA

import wplus
from wplus.media_metadata import read_metadata

CONDITIONAL = str(DATA / "golden_sg2_cond_32.pkl")


def _pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_seeds_become_numbered_pictures_and_a_grid(run: Run, network: str, out: Path) -> None:
    outcome = run("sample", f"--network={network}", "--seeds=2,0-1", "--trunc=0.7", "--grid=2x2", f"--outdir={out}")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"3 pictures in {out}\n", "")
    assert _names(out) == ["grid.png", "seed0000.png", "seed0001.png", "seed0002.png"]
    with wplus.load(network) as G:
        images = next(G.sample([2, 0, 1], truncation_psi=0.7)).images
    np.testing.assert_array_equal(_pixels(out / "seed0002.png"), images[0])
    np.testing.assert_array_equal(_pixels(out / "grid.png")[:16, 16:], images[1])
    assert not _pixels(out / "grid.png")[16:, 16:].any()


def test_a_picture_says_how_it_was_made_unless_told_not_to(run: Run, network: str, out: Path) -> None:
    arguments = ["sample", f"--network={network}", "--seeds=3", "--trunc=0.5", "--noise-mode=random", f"--outdir={out}"]
    run(*arguments)
    with wplus.load(network) as G:
        expected = {
            "verb": "sample",
            "network": "tiny.safetensors",
            "fingerprint": G.fingerprint,
            "version": wplus.__version__,
            "seed": 3,
            "truncation_psi": 0.5,
            "class": None,
            "noise_mode": "random",
        }
    said = read_metadata(out / "seed0003.png")
    assert said is not None
    assert expected.items() <= said.items()
    run(*arguments, "--no-metadata", "--grid=1x1")
    assert read_metadata(out / "seed0003.png") is None
    assert read_metadata(out / "grid.png") is None


@pytest.mark.parametrize("image_format", ["jpg", "webp", "npy"])
def test_other_formats_have_their_suffix(run: Run, network: str, out: Path, image_format: str) -> None:
    assert run("sample", f"--network={network}", "--seeds=7", f"--format={image_format}", f"--outdir={out}").code == 0
    assert _names(out) == [f"seed0007.{image_format}"]


def test_arrays_and_zipped_pictures_hold_what_pngs_hold(run: Run, network: str, out: Path) -> None:
    for image_format in ("png", "npy", "zip"):
        run("sample", f"--network={network}", "--seeds=7,8", f"--format={image_format}", f"--outdir={out}")
    np.testing.assert_array_equal(np.load(out / "seed0007.npy"), _pixels(out / "seed0007.png"))
    with zipfile.ZipFile(out / "images.zip") as archive:
        assert archive.namelist() == ["seed0007.png", "seed0008.png"]
        assert archive.read("seed0008.png") == (out / "seed0008.png").read_bytes()


@pytest.mark.parametrize("flag", ["--projected-w", "--projected_w"])
def test_saved_latents_give_the_bytes_of_their_seeds(run: Run, network: str, out: Path, flag: str) -> None:
    with wplus.load(network) as G:
        batch = next(G.sample([4, 5, 6]))
    batch.latents.save(out / "w.npz")
    outcome = run("sample", f"--network={network}", f"{flag}={out / 'w.npz'}", "--grid=3x1", f"--outdir={out}")
    assert outcome.code == 0
    assert _names(out) == ["grid.png", "proj00.png", "proj01.png", "proj02.png", "w.npz"]
    np.testing.assert_array_equal(_pixels(out / "proj01.png"), batch.images[1])


def test_latents_of_another_generator_need_permission(run: Run, network: str, out: Path) -> None:
    out.mkdir()
    alien = wplus.Latents(values=np.zeros((1, 6, 16), np.float32), space="w+", generator="wplus1:0123456789abcdef")
    alien.save(out / "alien.npz")
    arguments = ["sample", f"--network={network}", f"--projected-w={out / 'alien.npz'}", f"--outdir={out / 'x'}"]
    refused = run(*arguments)
    assert (refused.code, (out / "x").exists()) == (1, False)
    assert "belong to the generator wplus1:0123456789abcdef" in refused.err
    assert "--allow-mismatch" in refused.err
    allowed = run(*arguments, "--allow-mismatch")
    assert (allowed.code, _names(out / "x")) == (0, ["proj00.png"])
    assert "as asked" in allowed.err


def test_latents_of_a_wrong_shape_are_refused(run: Run, network: str, out: Path) -> None:
    out.mkdir()
    np.save(out / "wrong.npy", np.zeros((1, 18, 512), np.float32))
    outcome = run("sample", f"--network={network}", f"--projected-w={out / 'wrong.npy'}", f"--outdir={out / 'x'}")
    assert outcome.code == 2
    assert "w+ is [1, 18, 512]; this generator (stylegan2, 16 px) needs [N, 6, 16]." in outcome.err
    assert not (out / "x").exists()


def test_latents_as_decides_what_a_matrix_is(run: Run, network: str, out: Path) -> None:
    out.mkdir()
    np.save(out / "m.npy", np.zeros((6, 16), np.float32))
    arguments = ["sample", f"--network={network}", f"--projected-w={out / 'm.npy'}", f"--outdir={out / 'x'}"]
    one = run(*arguments)
    assert one.out.startswith("1 picture in")
    assert "taken as one W+ latent; --latents-as=w reads it as that many w." in one.err
    assert run(*arguments, "--latents-as=w").out.startswith("6 pictures in")


def test_a_style_mix_has_a_grid_with_its_parents(run: Run, network: str, out: Path) -> None:
    outcome = run("sample", f"--network={network}", "--rows=1", "--cols=2,3", "--styles=0-2", f"--outdir={out}")
    assert outcome.out == f"5 pictures in {out}\n"
    assert _names(out) == ["1-1.png", "1-2.png", "1-3.png", "2-2.png", "3-3.png", "grid.png"]
    sheet = _pixels(out / "grid.png")
    assert sheet.shape == (32, 48, 3)
    np.testing.assert_array_equal(sheet[16:, 32:], _pixels(out / "1-3.png"))
    run("sample", f"--network={network}", "--rows=1", "--cols=2", f"--outdir={out}")  # 0-6, of which there are 0-5
    assert np.array_equal(_pixels(out / "1-2.png"), _pixels(out / "2-2.png"))


def test_a_class_is_required_exactly_when_the_network_is_conditional(run: Run, network: str, out: Path) -> None:
    conditional = ["sample", f"--network={CONDITIONAL}", "--seeds=0", f"--outdir={out}"]
    for given, word in (([], "missing"), (["--class=5"], "5")):
        refused = run(*conditional, *given)
        assert (refused.code, out.exists()) == (2, False)
        assert f"The class is {word}; golden_sg2_cond_32.pkl needs a class from 0 to 4 (--class)." in refused.err
    assert run(*conditional, "--class=4").code == 0
    needless = run("sample", f"--network={network}", "--seeds=0", "--class=4", f"--outdir={out}")
    assert (needless.code, needless.err) == (0, "Note: --class has no effect: tiny.safetensors is unconditional.\n")


def test_options_without_effect_say_so(run: Run, network: str, plain_network: str, out: Path) -> None:
    def notes(source: str, *arguments: str) -> list[str]:
        outcome = run("sample", f"--network={source}", *arguments, f"--outdir={out}")
        assert outcome.code == 0
        return [line.rpartition(": ")[0] for line in outcome.err.splitlines()]

    cutoff = ["Note: --trunc-cutoff has no effect"]
    assert notes(network, "--seeds=0", "--trunc-cutoff=2") == cutoff
    assert notes(network, "--seeds=0", "--trunc-cutoff=2", "--trunc=0.7") == []
    assert notes(network, "--seeds=0", "--translate=0,0", "--rotate=3", "--styles=1") == [
        "Note: --styles has no effect",
        "Note: --translate has no effect",
        "Note: --rotate has no effect",
    ]
    assert notes(network, "--rows=0", "--cols=1", "--grid=2x2", "--resume") == [
        "Note: --grid has no effect",
        "Note: --resume has no effect",
    ]
    assert notes(plain_network, "--seeds=0", "--trunc=0.7", "--trunc-cutoff=1", "--noise-mode=none") == [
        "Note: --trunc has no effect",
        *cutoff,
        "Note: --noise-mode has no effect",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give one of --seeds, --projected-w, or --rows with --cols"),
        (("--seeds=0", "--rows=1", "--cols=1"), "Give one of --seeds"),
        (("--rows=1",), "needs both --rows and --cols"),
        (("--seeds=x",), "Invalid value for '--seeds': 'x' is neither a number nor a range"),
        (("--seeds=0", "--trunc=nan"), "Invalid value for '--trunc': 'nan' is not a finite number"),
        (("--seeds=0", "--trunc=0.5", "--trunc-cutoff=7"), "--trunc-cutoff is 7; tiny.safetensors has 6 layers"),
        (("--seeds=0-4", "--grid=2x2"), "5 pictures do not fit into a grid of 2x2"),
        (("--rows=0", "--cols=1", "--styles=4-6"), "styles has [6]"),
        (("--seeds=0", "--sha256=12"), "64 hex digits are needed"),
        (("--seeds=0", "--resume", "--grid=1x1"), "--resume goes by what each picture says"),
        (("--seeds=0", "--resume", "--format=npy"), "--resume goes by what each picture says"),
    ],
)
def test_wrong_usage_writes_nothing(
    run: Run, network: str, out: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = run("sample", f"--network={network}", *arguments, f"--outdir={out}")
    assert (outcome.code, outcome.out, out.exists()) == (2, "", False)
    assert message in outcome.err


def test_a_plain_network_has_nothing_to_mix(run: Run, plain_network: str, out: Path) -> None:
    outcome = run("sample", f"--network={plain_network}", "--rows=0", "--cols=1", f"--outdir={out}")
    assert (outcome.code, out.exists()) == (1, False)
    assert "plain.pt (family plain) has no layers with styles" in outcome.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist. Give a checkpoint"),
        (b"", "is empty"),
        (b"\x89PNG\r\n", "It is a PNG picture"),
        (b"<!doctype html>", "It is a web page, not a checkpoint"),
        (b"\x80\x04\x95", "damaged or cut short"),
        ("golden_sg2_skip_64.pkl", "cut short"),
    ],
    ids=["missing", "empty", "picture", "page", "pickle", "cut"],
)
def test_what_is_no_network_is_named(
    run: Run, tmp_path: Path, out: Path, content: bytes | str | None, message: str
) -> None:
    path = tmp_path / "network.pkl"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else (DATA / content).read_bytes()[:90_000])
    outcome = run("sample", f"--network={path}", "--seeds=0", f"--outdir={out}")
    assert (outcome.code, out.exists()) == (1, False)
    assert message in outcome.err
    assert outcome.err.startswith("Error: ")


def test_an_unwritable_folder_is_named(run: Run, network: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = run("sample", f"--network={network}", "--seeds=0", f"--outdir={tmp_path / 'file' / 'out'}")
    assert outcome.code == 1
    assert "cannot be written to: Not a directory" in outcome.err
    outcome = run("sample", f"--network={network}", "--seeds=0", f"--outdir={tmp_path / 'file'}")
    assert outcome.code == 1
    assert f"{tmp_path / 'file'} is a file, where a folder is needed" in outcome.err


@contextmanager
def _small_disk() -> Iterator[None]:
    """No file may grow beyond 600 bytes, as on a full disk; pytest's own log included, so only around the call."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("image_format", ["png", "jpg", "npy", "zip"])
def test_a_full_disk_leaves_no_half_file(run: Run, network: str, out: Path, image_format: str) -> None:
    with _small_disk():
        outcome = run("sample", f"--network={network}", "--seeds=0-9", f"--format={image_format}", f"--outdir={out}")
    assert (outcome.code, _names(out)) == (1, [])
    assert "could not be written: File too large. Nothing of it was left behind." in outcome.err


def test_resume_keeps_what_was_made_just_so_and_redraws_the_rest(run: Run, network: str, out: Path) -> None:
    arguments = ["sample", f"--network={network}", "--trunc=0.7", f"--outdir={out}", "--resume"]
    run(*arguments, "--seeds=0-2")
    (out / "seed0001.png").write_bytes((out / "seed0001.png").read_bytes()[:50])
    kept = (out / "seed0000.png").stat().st_mtime_ns
    again = run(*arguments, "--seeds=0-3")
    assert again.out == f"2 pictures in {out}\n"
    assert "2 of 4 pictures are there already." in again.err
    assert (out / "seed0000.png").stat().st_mtime_ns == kept
    assert run(*arguments, "--seeds=0-3").out == f"0 pictures in {out}\n"
    assert run(*arguments, "--seeds=0-3", "--trunc=0.6").out == f"4 pictures in {out}\n"
