"""What `pip install wplus` gives, without torch, safetensors and onnx: bundles load, sample and walk."""

import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

_ROOT = Path(__file__).parents[1]
_ABSENT = ("torch", "safetensors", "onnx", "onnxscript", "torchmetrics", "openvino", "av", "triton")


@pytest.fixture(scope="session")
def core_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of modules: the wheel that this checkout builds, and links to what it requires."""
    folder = tmp_path_factory.mktemp("core")
    source, wheels, site = folder / "source", folder / "wheels", folder / "site"
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=_ROOT, capture_output=True, text=True
    ).stdout.split("\n")
    for name in files:
        wanted = ("engine/", "kernels/", "export/", "benchmarks/", "pyproject", "README", "LICENSE", "THIRD")
        if name.startswith(wanted) and (_ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((_ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "-w", str(wheels), str(source)], check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (information,) = site.glob("wplus-*.dist-info")
    for name in _closure(metadata.PathDistribution(information)):
        _link(metadata.distribution(name), site)
    return site


def _closure(distribution: metadata.Distribution) -> set[str]:
    """Names of all distributions that one requires, without extras."""
    found: set[str] = set()
    waiting = list(distribution.requires or [])
    while waiting:
        requirement = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += metadata.requires(name) or []
    return found


def _link(distribution: metadata.Distribution, site: Path) -> None:
    for top in {path.parts[0] for path in distribution.files or []}:
        target = Path(str(distribution.locate_file(top)))
        if top not in ("..", "__pycache__") and target.exists() and not (site / top).exists():
            (site / top).symlink_to(target)


def _run(site: Path, code: str, cwd: Path) -> str:
    """What a fresh interpreter that sees this folder alone prints."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(cwd / "cache")}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_environment_has_no_torch(core_site: Path, tmp_path: Path) -> None:
    code = f"""
from importlib import util
print([name for name in {_ABSENT} if util.find_spec(name)])
"""
    assert _run(core_site, code, tmp_path).strip() == "[]"


def test_the_demo_is_drawn_from_its_bundle_as_torch_draws_it(core_site: Path, tmp_path: Path, demo) -> None:
    code = """
import numpy as np, wplus
with wplus.load("demo:portraits") as G:
    assert G.backend == "onnxruntime", G.backend
    ws = G.map(wplus.latents.seeds_to_z([3, 4], G.z_dim), truncation_psi=0.7)
    np.savez("drawn.npz", img=G.synthesize(ws, noise_mode="random", seeds=[3, 4]), fingerprint=G.fingerprint)
"""
    _run(core_site, code, tmp_path)
    import numpy as np

    import wplus

    with np.load(tmp_path / "drawn.npz") as drawn:
        assert str(drawn["fingerprint"]) == demo.fingerprint
        ws = demo.map(wplus.latents.seeds_to_z([3, 4], demo.z_dim), truncation_psi=0.7)
        img = demo.synthesize(ws, noise_mode="random", seeds=[3, 4])
        assert np.abs(drawn["img"] - img).max() < 1e-4


def test_sample_walk_info_and_verify_work(core_site: Path, tmp_path: Path) -> None:
    code = """
from PIL import Image
from wplus.cli import main
from wplus.demo import bundle_folder
def run(*arguments):
    try: main(arguments)
    except SystemExit as end: assert end.code == 0, arguments
run("sample", "--network=demo:portraits", "--seeds=0-3", "--grid=2x2", "--outdir=out")
run("walk", "--network=demo:portraits", "--seeds=0-1", "--frames=6", "--loop", "--output=walk.gif")
run("walk", "--network=demo:portraits", "--seeds=0-1", "--frames=3", "--output=frames")
run("info", "out/seed0000.png")
run("verify", str(bundle_folder("demo:portraits")))
run("doctor")
print(Image.open("out/grid.png").size, Image.open("walk.gif").n_frames)
"""
    assert _run(core_site, code, tmp_path).strip().endswith("(256, 256) 6")


def test_from_a_cold_start_the_first_picture_takes_less_than_two_seconds(core_site: Path, tmp_path: Path) -> None:
    code = """
import time
start = time.perf_counter()
import wplus
with wplus.load("demo:portraits") as G:
    next(iter(G.sample([0])))
print(time.perf_counter() - start)
"""
    _run(core_site, code, tmp_path)  # what the interpreter compiles and the disk reads once
    assert min(float(_run(core_site, code, tmp_path)) for _ in range(3)) < 2


def test_what_needs_torch_says_so(core_site: Path, tmp_path: Path) -> None:
    code = """
import wplus
from wplus.cli import main
open("network.pkl", "wb").write(b"x" * 100)
for arguments in (["export", "demo:portraits", "out"], ["convert", "demo:portraits", "out.safetensors"]):
    try: main(arguments)
    except SystemExit as end: print(end.code)
try: wplus.load("demo:portraits", backend="torch")
except wplus.errors.UnsupportedError as error: print("pip install 'wplus[torch]'" in str(error))
"""
    assert _run(core_site, code, tmp_path).split() == ["1", "1", "True"]
