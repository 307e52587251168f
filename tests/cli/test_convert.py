"""`wplus convert`: the same network in our own format, or nothing."""

import hashlib
from pathlib import Path

import pytest
from cli_support import Run
from support import DATA

from wplus.checkpoints import fingerprint, read_checkpoint


def test_the_same_network_comes_out(run: Run, tmp_path: Path) -> None:
    source, output = DATA / "golden_sg2_cond_32.pkl", tmp_path / "new" / "x.safetensors"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    outcome = run("convert", str(source), str(output), f"--sha256={digest}")
    before, after = read_checkpoint(source), read_checkpoint(output)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{output}: stylegan2, {fingerprint(before.config, before.tensors)}\n"
    assert fingerprint(after.config, after.tensors) == fingerprint(before.config, before.tensors)
    assert after.provenance.sha256 == digest


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["demo:portraits", "x.pt"], 2, "OUTPUT is x.pt; it must end in .safetensors"),
        (["none.pkl", "x.safetensors"], 1, "none.pkl does not exist"),
        ([str(DATA / "ops.npz"), "x.safetensors"], 1, "ops.npz"),
        (["demo:portraits", "x.safetensors", f"--sha256={'0' * 64}"], 1, "It is another file"),
        (["demo:portraits", "file/x.safetensors"], 1, "could not be written: "),
    ],
    ids=["suffix", "missing", "no network", "digest", "unwritable"],
)
def test_what_cannot_be_converted_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    outcome = run("convert", *arguments)
    assert (outcome.code, outcome.out, [path.name for path in tmp_path.iterdir()]) == (code, "", ["file"])
    assert message in outcome.err
