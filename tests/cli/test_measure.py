"""`wplus measure`, from a picture to a file of measurements."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_support import Run
from PIL import Image

from wplus.checkpoints import read_checkpoint
from wplus.inversion.measurements import Measurements, measure
from wplus.inversion.operators import make_operator
from wplus.inversion.targets import read_picture


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of 40x30 pixels."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (30, 40, 3), np.uint8)).save(path)
    return path


def test_a_picture_is_measured_at_a_networks_size(run: Run, network: str, photo: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "y.npz"
    arguments = [f"--target={photo}", f"--network={network}", f"--output={output}"]
    outcome = run("measure", "--operator=coded:32", "--sigma=0.1", "--seed=5", *arguments)
    said = "32 measurements of 16x16 pixels with 3 channels, 24 times fewer than numbers in the picture"
    assert (outcome.code, outcome.out) == (0, f"{said}\n{output}\n")
    assert "cropped to the middle" in outcome.err
    config = read_checkpoint(network).config
    operator = make_operator("coded:32", img_shape=(3, *config.img_shape), seed=5)
    img = torch.from_numpy(read_picture(photo, channels=3, size=(16, 16)).img)[None]
    loaded = Measurements.load(output)
    np.testing.assert_array_equal(loaded.y, measure(operator, img, seeds=[5], sigma=0.1).y)
    assert (loaded.sigma, loaded.operator.seed) == (0.1, 5)


def test_a_size_is_width_and_height(run: Run, photo: Path, tmp_path: Path) -> None:
    arguments = [f"--target={photo}", "--size=20x10", f"--output={tmp_path}/y.npz"]
    assert run("measure", "--operator=down:2", *arguments).code == 0
    assert Measurements.load(tmp_path / "y.npz").y.shape == (1, 3, 5, 10)


def test_the_demo_gives_its_size(run: Run, photo: Path, tmp_path: Path) -> None:
    arguments = [f"--target={photo}", "--network=demo:portraits", f"--output={tmp_path}/y.npz"]
    outcome = run("measure", "--operator=mask:0.1", *arguments)
    assert outcome.out.startswith("4,914 measurements of 128x128 pixels with 3 channels, 10 times fewer")


def test_info_says_what_was_measured(run: Run, photo: Path, tmp_path: Path) -> None:
    run("measure", "--operator=coded:8", f"--target={photo}", "--size=8x8", f"--output={tmp_path}/y.npz")
    facts = json.loads(run("info", "--json", f"{tmp_path}/y.npz").out)
    assert (facts["format"], facts["operator"], facts["shape"]) == ("measurements", "coded:8", [1, 8])
    assert (facts["picture_size"], facts["compression"]) == ("8x8, 3 channels", "24")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--operator=coded:8"], 2, "Give either --network or --size."),
        (["--operator=coded:8", "--size=8x8", "--network=x"], 2, "Give either --network or --size."),
        (["--operator=coded:8", "--size=8"], 2, "'8' is no size; write width and height in pixels like 256x128."),
        (["--operator=coded:8", "--size=8x8", "--sigma=-1"], 2, "sigma is -1; a standard deviation of at least 0"),
        (["--operator=coded:8", "--size=8x8", "--sigma=nan"], 2, "'nan' is not a finite number"),
        (["--operator=magic", "--size=8x8"], 2, "'magic' is no operator. There are identity, grey"),
        (["--operator=down:9", "--size=8x8"], 2, "does not fit pictures of 8x8"),
        (["--operator=mask:none.png", "--size=8x8"], 1, "none.png does not exist"),
        (["--operator=grey", "--size=8x8", "--output=y.npy"], 2, "--output is y.npy; measurements are saved as .npz."),
        (["--operator=grey", "--network=none.pkl"], 1, "none.pkl"),
    ],
)
def test_wrong_requests_are_refused_and_write_nothing(
    run: Run,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("measure", f"--target={photo}", "--output=y.npz", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == [photo]
