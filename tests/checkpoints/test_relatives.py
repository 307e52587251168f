"""Relatives of StyleGAN that are not drawn say what they are."""

import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from wplus.checkpoints import read_checkpoint
from wplus.errors import UnsupportedError


def test_a_stylegan_xl_stage_is_told_by_its_class(
    dump: Callable[..., bytes], generator: Callable[..., Any], write: Callable[..., Path]
) -> None:
    network = generator()
    network.class_name = "SuperresGenerator"
    with pytest.raises(UnsupportedError, match=r"G_ema is a StyleGAN-XL generator .*wplus.wrap\(module"):
        read_checkpoint(write(dump({"G_ema": network})))


def test_a_stylegan_xl_stem_is_told_by_its_mapping(
    dump: Callable[..., bytes], generator: Callable[..., Any], write: Callable[..., Path]
) -> None:
    network = generator()
    network.state["_modules"]["mapping"].state["_modules"]["embed_proj"] = None
    with pytest.raises(UnsupportedError, match="G_ema is a StyleGAN-XL generator"):
        read_checkpoint(write(dump({"G_ema": network})))


def test_a_ganformer_is_told_by_its_attributes(
    dump: Callable[..., bytes], generator: Callable[..., Any], write: Callable[..., Path]
) -> None:
    network = generator()
    network.state |= {"k": 17, "component_dropout": 0.0}
    with pytest.raises(UnsupportedError, match="G_ema is a GANformer"):
        read_checkpoint(write(dump({"G_ema": network})))


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        ("networks.generator", "Generator", "The file holds a StyleGAN-T generator"),
        ("pg_modules.networks_fastgan", "Generator", "The file holds a FastGAN generator"),
    ],
)
def test_foreign_classes_are_told_by_their_names_and_never_made(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, module: str, name: str, message: str
) -> None:
    kind = type(name, (), {"__module__": module, "__qualname__": name})
    fake: Any = types.ModuleType(module)
    setattr(fake, name, kind)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module.split(".")[0], types.ModuleType("parent"))
        patch.setitem(sys.modules, module, fake)
        content = pickle.dumps({"G_ema": kind()}, 4)
    with pytest.raises(UnsupportedError, match=message):
        read_checkpoint(write(content))


def test_stylegan_xls_embedding_is_told_even_before_its_generator_is_read(write: Callable[..., Path]) -> None:
    with pytest.raises(UnsupportedError, match="The file holds a StyleGAN-XL generator"):
        read_checkpoint(write(pickle.dumps({"G": torch.nn.Embedding(3, 4)}, 4)))
