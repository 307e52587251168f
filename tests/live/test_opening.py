"""How a show opens its generator, again and otherwise."""

from typing import Any

import pytest

from wplus.errors import UnsupportedError
from wplus.live import opening
from wplus.live.opening import openers


def _asked(**options: Any) -> dict[str, Any]:
    how: dict[str, Any] = {"device": "cpu", "backend": "auto", "precision": "exact", "threads": 1, "batch": 1}
    return {"network": "demo:portraits", "sha256": None, "tuning": None, **how, **options}


def test_torch_draws_first_and_another_runtime_is_tried_behind_it() -> None:
    pytest.importorskip("openvino")
    first, faster, lower = openers(_asked())
    assert faster is not None
    assert lower is not None
    with first() as G:
        assert (G.backend, G.precision) == ("torch", "exact")
        with faster() as other:
            assert other.backend == "openvino"
            assert other.fingerprint == G.fingerprint
    with lower() as G:
        assert G.precision == "fast"


def test_a_runtime_that_was_chosen_stays() -> None:
    _, faster, lower = openers(_asked(backend="onnxruntime", precision="fast"))
    assert (faster, lower) == (None, None)


def test_a_tuned_network_stays_in_torch() -> None:
    assert openers(_asked(tuning="t.safetensors"))[1] is None


def test_without_another_runtime_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda _: None)
    first, faster, _ = openers(_asked())
    first().close()
    assert faster is not None
    with pytest.raises(UnsupportedError, match="torch is the fastest runtime that is installed for cpu"):
        faster()
