"""A long show at full rate: memory stays flat, no viewer is lost, the renderer never fails. `make soak` runs it."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

import wplus
from wplus.benchmarks.live_server import Viewer, served
from wplus.live.config import LiveConfig
from wplus.live.show import Show
from wplus.paths.description import Keyframe, Walk

pytestmark = [pytest.mark.slow, pytest.mark.soak]

_log = logging.getLogger(__name__)

_MEMORY = Path("/proc/self/statm")
_MIB = 2**20
_MOST_GROWTH = 20.0  # MiB
_FPS = 60.0
_CHANGES: list[dict[str, Any]] = [
    {"truncation_psi": 0.6},
    {"speed": 3.0},
    {"seeds": [11, 12, 13, 14]},
    {"fade": 0.3},
    {"fade": 0.0, "mix_seed": 5, "mix_layers": [4, 5, 6]},
    {"mix_seed": None},
    {"freeze": True},
    {"freeze": False, "interp": "linear"},
    {"position": 1.5},
    {"truncation_psi": 1.0, "speed": -1.0, "interp": "spline"},
]


@pytest.mark.skipif(not _MEMORY.exists(), reason="what a process holds is read from /proc")
def test_a_show_at_full_rate_stays_as_it_began(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seconds = 60 * float(request.config.getoption("--soak-minutes"))
    walk = Walk(keyframes=tuple(Keyframe(seed=seed) for seed in range(8)), loop=True, fps=_FPS)
    config = LiveConfig(record_dir=tmp_path, autosave=tmp_path / "autosave.json")
    with ExitStack() as stack:
        show = stack.enter_context(Show(lambda: wplus.load("demo:portraits", device="cpu"), walk, config))
        assert show.wait(60)
        url = stack.enter_context(served(show, tmp_path))
        viewers = [stack.enter_context(Viewer(url)) for _ in range(2)]
        held = list(_held_while_steered(show, viewers, seconds))
        figures = show.stats()
        seen = [viewer.leave() for viewer in viewers]
    warm = len(held) // 3  # until then caches fill
    _log.warning("held %.0f MiB warm, %.0f at most, %.0f at last", held[warm], max(held[warm:]), held[-1])
    _log.warning("%s; viewers saw %s", {name: figures[name] for name in ("frames", "dropped", "fps", "failures")}, seen)
    assert max(held[warm:]) - held[warm] <= _MOST_GROWTH
    assert figures["failures"] == 0
    assert figures["frames"] >= 0.5 * _FPS * seconds  # two cores that do nothing else draw all of them
    assert min(seen) > 0.2 * figures["frames"]


def _held_while_steered(show: Show, viewers: list[Viewer], seconds: float) -> Iterator[float]:
    """Changes something every second, and gives the MiB that this process holds then."""
    begin = time.perf_counter()
    for number, change in enumerate(cycle(_CHANGES), 1):
        show.change(change)
        time.sleep(max(0.0, begin + number - time.perf_counter()))
        assert show.state()["error"] is None
        assert all(viewer.is_watching for viewer in viewers)
        yield _held()
        if number >= seconds:
            return


def _held() -> float:
    return int(_MEMORY.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB
