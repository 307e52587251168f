"""The package as a whole: what importing costs, what it exports, who may import whom."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wplus

_ROOT = Path(__file__).parents[1]
_FOLDERS = {
    "engine": "wplus",
    "kernels": "wplus.kernels",
    "export": "wplus.export",
    "benchmarks": "wplus.benchmarks",
}
_SOURCES = [path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*.py")]
_HEAVY = ("torch", "triton", "onnx", "onnxruntime", "openvino", "tensorrt", "numpy", "PIL", "av", "requests", "click")


def _imports(path: Path) -> set[str]:
    """Full names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_importing_wplus_imports_nothing_heavy_and_is_quick() -> None:
    code = (
        "import time, sys; start = time.perf_counter(); import wplus; print(time.perf_counter() - start); "
        f"print([name for name in {_HEAVY} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert float(out[0]) < 0.3
    assert out[1] == "[]"


def test_the_command_lines_help_needs_no_torch() -> None:
    code = "import sys, wplus.cli\ntry: wplus.cli.main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "name", ["wplus", *_FOLDERS.values(), "wplus.checkpoints", "wplus.networks", "wplus.backends", "wplus.cli"]
)
def test_all_names_what_is_importable(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__)
    for exported in module.__all__:
        assert getattr(module, exported) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'wplus' has no attribute 'inverse'"):
        _ = wplus.inverse


def test_the_version_is_the_packages() -> None:
    assert wplus.__version__.count(".") == 2


def test_kernels_know_torch_and_triton_only() -> None:
    allowed = ("torch", "triton", "wplus.kernels", *sys.stdlib_module_names)
    for path in (_ROOT / "kernels").rglob("*.py"):
        strangers = {name for name in _imports(path) if not name.startswith(allowed)}
        assert not strangers, f"{path.name} imports {strangers}"


def test_the_engine_reaches_export_in_one_place_and_benchmarks_from_the_command_line_alone() -> None:
    for path in (_ROOT / "engine").rglob("*.py"):
        reached = {".".join(name.split(".")[:2]) for name in _imports(path)} & {"wplus.benchmarks", "wplus.export"}
        if path.parent.name != "cli":
            assert reached <= ({"wplus.export"} if path.name == "exports.py" else set()), f"{path} imports {reached}"


def test_export_knows_no_benchmarks() -> None:
    for path in (_ROOT / "export").rglob("*.py"):
        assert not {name for name in _imports(path) if name.startswith("wplus.benchmarks")}


def test_networks_load_no_files_and_checkpoints_know_no_networks() -> None:
    for path in (_ROOT / "engine" / "networks").rglob("*.py"):
        readers = {name for name in _imports(path) if name.startswith("wplus.checkpoints")}
        assert readers <= {"wplus.checkpoints.checkpoint"}
    for path in (_ROOT / "engine" / "checkpoints").rglob("*.py"):
        assert not {name for name in _imports(path) if name.startswith(("wplus.networks", "wplus.backends"))}


def test_no_module_runs_foreign_code() -> None:
    """Nothing of ours can: no unpickler, no exec, no eval; torch.load only with weights_only."""
    for path in (_ROOT / "engine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in ("exec", "eval", "pickle.load", "pickle.loads", "__import__"), f"{path}: {called}"
            if called in ("torch.load", "np.load"):
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert options.get("weights_only") == "True" or options.get("allow_pickle") == "False", (
                    f"{path}: {called}"
                )


def test_nothing_refers_to_what_a_clone_lacks() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=_ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        path = _ROOT / name
        if (
            path.suffix in (".py", ".md", ".toml", ".yml", ".yaml", ".txt", "")
            and path.is_file()
            and path != Path(__file__)
        ):
            text = path.read_text(errors="replace")
            assert "../shared" not in text and "/work/" not in text, name  # noqa: PT018


def test_every_package_is_in_the_wheel() -> None:
    listed = (_ROOT / "pyproject.toml").read_text()
    for path in _SOURCES:
        package = path.relative_to(_ROOT).parent
        name = ".".join([_FOLDERS[package.parts[0]], *package.parts[1:]])
        assert f'"{name}"' in listed, f"{name} is not in pyproject.toml's packages"
