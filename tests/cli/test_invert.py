"""`wplus invert`, from the flags to the files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_support import Run, interrupted_at
from PIL import Image
from support import DATA

import wplus
from wplus.inversion.run import invert
from wplus.latents import Latents
from wplus.media_metadata import read_metadata

_QUICK = ("--num-steps=40", "--starts=2", "--seed=5")


@pytest.fixture
def photo(run: Run, network: str, tmp_path: Path) -> Path:
    run("sample", f"--network={network}", "--seeds=900", f"--outdir={tmp_path}")
    return tmp_path / "seed0900.png"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_picture_becomes_latents_that_draw_what_is_shown(run: Run, network: str, photo: Path, out: Path) -> None:
    outcome = run("invert", f"--network={network}", f"--target={photo}", f"--outdir={out}", *_QUICK)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"{out / 'proj.png'}\nseed0900: PSNR ")
    assert _names(out) == ["history.json", "proj.png", "projected_w.npz", "target.png"]
    assert np.array_equal(_pixels(out / "target.png"), _pixels(photo))
    with wplus.load(network) as G:
        latents = Latents.load(out / "projected_w.npz")
        assert latents.generator == G.fingerprint
        assert np.array_equal(G.images(latents)[0], _pixels(out / "proj.png"))
    history = json.loads((out / "history.json").read_text())
    assert len(history["steps"]["loss"]) == 40
    assert history["config"]["seed"] == 5
    assert history["loss"] == "squared"
    again = run("sample", f"--network={network}", f"--projected-w={out}/projected_w.npz", f"--outdir={out}/again")
    assert again.code == 0
    assert np.array_equal(_pixels(out / "again" / "proj00.png"), _pixels(out / "proj.png"))
    assert read_metadata(out / "proj.png")["latents"] == ["projected_w.npz"]


@pytest.mark.slow
def test_a_bundle_inverts_once_it_is_exported_for_that(run: Run, network: str, photo: Path, out: Path) -> None:
    flags = (f"--target={photo}", *_QUICK)
    exported = run("export", network, f"{out}-step", "--noise=input", "--inversion", "--max-batch=2")
    assert exported.code == 0, exported.err
    assert "gradients off" in exported.out
    for source in (f"{out}-step", network):
        done = run("invert", f"--network={source}", f"--outdir={out / Path(source).stem}", *flags)
        assert done.code == 0, done.err
    found, own = (_pixels(out / name / "proj.png").astype(int) for name in (f"{out.name}-step", "tiny"))
    assert np.abs(found - own).max() <= 2


def test_the_same_command_gives_the_same_bytes(run: Run, network: str, photo: Path, out: Path) -> None:
    for name in ("a", "b"):
        run("invert", f"--network={network}", f"--target={photo}", f"--outdir={out / name}", *_QUICK)
    for file in ("proj.png", "projected_w.npz"):
        assert (out / "a" / file).read_bytes() == (out / "b" / file).read_bytes()


def test_an_interrupted_run_writes_its_best_fails_and_goes_on(
    run: Run, network: str, photo: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wplus.cli import inverting

    words = ("invert", f"--network={network}", f"--target={photo}", f"--outdir={out}", *_QUICK)
    whole = run(*words)
    final = (out / "projected_w.npz").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(inverting, "invert", interrupted_at(20, invert))
        outcome = run(*words)
    assert outcome.code == 1
    assert "The same command with --resume goes on." in outcome.out
    assert (out / "proj.png").exists()
    again = run(*words, "--resume")
    assert (whole.code, again.code) == (0, 0)
    assert (out / "projected_w.npz").read_bytes() == final


def test_the_history_names_the_scales_of_ms_ssim(run: Run, network: str, photo: Path, out: Path) -> None:
    given = [f"--network={network}", f"--target={photo}", f"--outdir={out}", "--loss=pixel+0.1*ms_ssim", *_QUICK]
    assert run("invert", *given).code == 0
    assert json.loads((out / "history.json").read_text())["ms_ssim_scales"] == 1


def test_a_folder_becomes_a_folder_each_and_a_contact_sheet(run: Run, network: str, photo: Path, out: Path) -> None:
    run("sample", f"--network={network}", "--seeds=901", f"--outdir={photo.parent / 'photos'}")
    photo.rename(photo.parent / "photos" / photo.name)
    outcome = run("invert", f"--network={network}", f"--target={photo.parent / 'photos'}", f"--outdir={out}", *_QUICK)
    assert outcome.code == 0, outcome.err
    assert _names(out) == ["contact.png", "seed0900", "seed0901"]
    assert _pixels(out / "contact.png").shape == (32, 32, 3)


def test_the_way_there_is_a_video_with_the_target_beside_it(run: Run, network: str, photo: Path, out: Path) -> None:
    av = pytest.importorskip("av")
    run("invert", f"--network={network}", f"--target={photo}", f"--outdir={out}", "--save-video", *_QUICK)
    with av.open(str(out / "proj.mp4")) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (32, 16)
        assert sum(1 for _ in video.decode(video=0)) == 40


def test_measurements_become_a_picture(run: Run, network: str, photo: Path, out: Path, tmp_path: Path) -> None:
    y = tmp_path / "y.npz"
    run("measure", f"--network={network}", f"--target={photo}", "--operator=mask:0.5", f"--output={y}")
    given = [f"--network={network}", f"--measurements={y}", f"--outdir={out}", *_QUICK]
    outcome = run("invert", *given, f"--truth={photo}")
    assert outcome.code == 0, outcome.err
    assert "384 measurements a picture by mask:0.5, compression 2.0:1" in outcome.out
    assert "PSNR" in outcome.out
    assert json.loads((out / "history.json").read_text())["operator"] == "mask:0.5"
    assert "in grey" not in outcome.out
    direct = [f"--network={network}", f"--target={photo}", "--operator=coded:64", f"--outdir={out}", *_QUICK]
    outcome = run("invert", *direct)
    assert outcome.code == 0
    assert re.search(r"PSNR -?[\d.]+ dB \([\d.]+ in grey, which is what was measured\), SSIM", outcome.out)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Give either --target or --measurements"),
        (["--target={photo}", "--measurements=y.npz"], 2, "Give either --target or --measurements"),
        (["--target=nothing.png"], 1, "nothing.png does not exist"),
        (["--target={text}"], 1, "cannot be read as a picture"),
        (["--measurements={text}"], 1, ""),
        (["--target={photo}", "--class=1"], 2, "unconditional"),
        (["--target={photo}", "--loss=vgg"], 2, "known are squared, pixel"),
        (["--target={photo}", "--loss=lpips"], 1, "lpips"),
        (["--target={photo}", "--operator=mask:0.1", "--loss=pixel"], 2, "--weight and --loss compare pictures"),
        (["--target={photo}", "--init={foreign}"], 1, "another generator|belong to the generator"),
        (["--target={photo}", "--optimize-transform"], 1, "no transform to optimise"),
    ],
)
def test_wrong_requests_are_refused(
    run: Run, network: str, photo: Path, out: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "text.npz").write_text("no picture")
    foreign = Latents(values=np.zeros((1, 16), np.float32), space="w", generator="wplus1:0000000000000000")
    foreign.save(tmp_path / "foreign.npz")
    names = {"photo": photo, "text": tmp_path / "text.npz", "foreign": tmp_path / "foreign.npz"}
    given = [argument.format(**names) for argument in arguments]
    outcome = run("invert", f"--network={network}", f"--outdir={out}", *given)
    assert outcome.code == code, outcome
    assert any(part in outcome.err for part in message.split("|")), outcome.err
    assert not list(out.glob("*.png"))


def test_a_conditional_network_needs_a_class(run: Run, out: Path, tmp_path: Path) -> None:
    network = str(DATA / "golden_sg2_cond_32.pkl")
    run("sample", f"--network={network}", "--seeds=0", "--class=1", f"--outdir={tmp_path}")
    given = [f"--network={network}", f"--target={tmp_path}/seed0000.png", f"--outdir={out}", *_QUICK]
    refused = run("invert", *given)
    assert (refused.code, "--class" in refused.err) == (2, True)
    assert run("invert", *given, "--class=1").code == 0


def test_an_aligned_face_is_pasted_back(run: Run, network: str, out: Path, tmp_path: Path) -> None:
    photo = np.random.RandomState(0).randint(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    points = {"left_eye": [32, 25], "right_eye": [48, 25], "mouth": [40, 40]}
    (tmp_path / "points.json").write_text(json.dumps(points))
    given = [f"--network={network}", f"--target={tmp_path}/photo.png", f"--landmarks={tmp_path}/points.json"]
    assert run("invert", *given, f"--outdir={out}", *_QUICK).code == 0
    pasted = _pixels(out / "pasted.png")
    assert pasted.shape == photo.shape
    assert np.array_equal(pasted[:, :2], photo[:, :2])  # beside the face
    assert not np.array_equal(pasted[28:38, 35:45], photo[28:38, 35:45])
    assert json.loads((out / "history.json").read_text())["alignment"]["size"] == [16, 16]


def test_options_without_effect_are_named(run: Run, network: str, photo: Path, out: Path) -> None:
    given = [f"--network={network}", f"--target={photo}", f"--outdir={out}", *_QUICK]
    assert "--sigma has no effect: there is no --operator" in run("invert", *given, "--sigma=0.1").err
