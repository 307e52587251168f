"""Which of several ways is the fastest on this GPU: measured once for each shape, and remembered on disk."""

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
import triton
from torch import Tensor

_log = logging.getLogger(__name__)

_WARM_UP_MS, _MEASURING_MS = 3, 12


def fastest(what: str, ways: Mapping[str, Callable[[], Tensor]], *, device: torch.device) -> Tensor:
    """The result of the way that was measured to be the fastest for `what`; of the first, where there is one alone.

    Where nothing can be measured (Triton's interpreter, a graph that is being captured), what was never measured takes
    the first way, and that is not remembered.

    Args:
        what: All that the speed depends on, apart from the device and the versions of the libraries.
        ways: By name; all give the same result. A way that the chip has no room for is passed over.
        device: Where they run.
    """
    names = list(ways)
    if len(names) == 1 or device.type != "cuda":
        return ways[names[0]]()
    choices = _choices(device.index or 0)
    name = choices.get(what, "")
    if name not in ways:
        if torch.cuda.is_current_stream_capturing():
            return ways[names[0]]()
        name = _measured(what, ways)
        choices[what] = name
        _remember(device.index or 0, what, name)
    return ways[name]()


def _measured(what: str, ways: Mapping[str, Callable[[], Tensor]]) -> str:
    times = {}
    for name, way in ways.items():
        try:
            times[name] = triton.testing.do_bench(way, warmup=_WARM_UP_MS, rep=_MEASURING_MS, return_mode="median")
        except triton.runtime.errors.OutOfResources as exc:
            _log.info("%s: %s does not fit on this GPU: %s", what, name, exc)
    name = min(times, key=lambda name: times[name])
    _log.info("%s: %s (%s)", what, name, ", ".join(f"{other} {ms:.3f} ms" for other, ms in times.items()))
    return name


@cache
def _choices(device: int) -> dict[str, str]:
    """What this process knows, starting with what others have measured."""
    return _read(_file(device))


def _read(path: Path) -> dict[str, str]:
    """What the file holds; nothing if it is missing or damaged."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in stored.items() if isinstance(value, str)} if isinstance(stored, dict) else {}


def _remember(device: int, what: str, name: str) -> None:
    """Adds to the file what others have not written meanwhile; a lost line is measured again."""
    path = _file(device)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(_read(path) | {what: name}, file, indent=1, sort_keys=True)
        Path(file.name).replace(path)
    except OSError as exc:
        _log.info("What was measured cannot be kept in %s: %s", path, exc)


def _file(device: int) -> Path:
    """Beside Triton's own cache; one file for a GPU and the versions on which the figures depend."""
    gpu = torch.cuda.get_device_name(device).replace(" ", "-").replace("/", "-")
    versions = f"torch{torch.__version__}-cudnn{torch.backends.cudnn.version()}-triton{triton.__version__}"
    return Path(triton.knobs.cache.dir) / "wplus-fastest" / f"{gpu}-{versions}.json"
