"""Which Triton tests run in this process: `interp` with TRITON_INTERPRET=1, `aot` and `aot_full` without."""

import pytest
import torch
import triton

INTERPRETED = bool(triton.knobs.runtime.interpret)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("interp") and not INTERPRETED:
            item.add_marker(pytest.mark.skip(reason="interprets kernels: needs TRITON_INTERPRET=1 in the environment"))
        elif INTERPRETED and (item.get_closest_marker("aot") or item.get_closest_marker("aot_full")):
            item.add_marker(pytest.mark.skip(reason="compiles kernels: needs an environment without TRITON_INTERPRET"))


@pytest.fixture(autouse=True, scope="session")
def _repaired_interpreter() -> None:
    if INTERPRETED:
        from triton_tools.interpreter import install

        install()


@pytest.fixture(autouse=True)
def _no_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
