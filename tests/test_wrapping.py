"""`wplus.wrap`: what a user's own network becomes, and what is caught before it does."""

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

import wplus
from wplus.errors import ArtifactError, LatentMismatchError, UnsupportedError
from wplus.generator import Generator
from wplus.latents import Latents, seeds_to_z
from wplus.walk import WalkConfig, frames


class Decoder(nn.Module):
    """z [N, 6] to [N, 3, 4, 8] in (-1, 1), with batch norm, so that the mode matters; a label shifts z."""

    def __init__(self, c_dim: int = 0) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 96)
        self.norm = nn.BatchNorm1d(96)
        self.label = nn.Linear(c_dim, 6) if c_dim else None

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The picture."""
        if self.label is not None:
            z = z + self.label(c)
        return torch.tanh(self.norm(self.dense(z))).reshape(-1, 3, 4, 8)


class Then(nn.Module):
    """A decoder whose picture is changed."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.decoder = Decoder().eval()
        self.change = change

    def forward(self, z: Tensor) -> Any:
        """The changed picture."""
        return self.change(self.decoder(z))


def _wrap(network: Any = None, **options: Any) -> Generator:
    options = {"z_dim": 6, "device": "cpu", "threads": 1, **options}
    return wplus.wrap(Decoder().eval() if network is None else network, **options)


def _spatial() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(2, 3, 2, stride=2), nn.Tanh()).eval()


# What it becomes


def test_a_module_becomes_a_plain_generator_with_the_modules_pictures() -> None:
    module = Decoder().eval()
    G = _wrap(module)
    assert (G.family, G.z_dim, G.z_shape, G.c_dim) == ("plain", 6, (6,), 0)
    assert (G.img_shape, G.img_resolution, G.img_channels) == ((4, 8), 8, 3)
    assert (G.name, G.backend, G.has_w) == ("Decoder", "torch", False)
    z = torch.randn(3, 6)
    assert torch.equal(G.synthesize(z), module(z).detach())
    assert G.images(z.numpy()).shape == (3, 4, 8, 3)


def test_what_it_lacks_is_refused_by_name() -> None:
    G = _wrap()
    with pytest.raises(UnsupportedError, match="map needs a W space, which the family plain"):
        G.map(np.zeros((1, 6), np.float32))
    with pytest.raises(UnsupportedError, match="num_ws needs a W space"):
        _ = G.num_ws


def test_sampling_gives_a_seed_the_same_bytes_in_any_company() -> None:
    G = _wrap(batch=4)
    many = np.concatenate([batch.images for batch in G.sample(range(6))])
    alone = next(G.sample([5]))
    assert np.array_equal(alone.images[0], many[5])
    assert alone.latents.space == "z"
    assert alone.latents.generator == G.fingerprint


def test_gradients_reach_z() -> None:
    z = torch.randn(2, 6, requires_grad=True)
    _wrap().synthesize(z).square().sum().backward()
    assert z.grad is not None
    assert z.grad.abs().min() > 0


def test_the_users_module_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    module = Decoder()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with caplog.at_level(logging.INFO):
        G = _wrap(module)
    assert "Decoder is in training mode; a copy of it in eval mode is drawn" in caplog.text
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    first = G.synthesize(torch.ones(1, 6))
    with torch.no_grad():
        module.dense.weight.zero_()
    assert torch.equal(G.synthesize(torch.ones(1, 6)), first)


def test_z_is_scaled_before_the_network_sees_it() -> None:
    module = Decoder().eval()
    z = torch.randn(2, 6)
    assert torch.allclose(_wrap(module, z_scale=0.5).synthesize(z), module(z / 2).detach())


@pytest.mark.parametrize(
    ("img_range", "change"),
    [((0, 1), lambda x: x / 2 + 0.5), ((0, 255), lambda x: x * 127.5 + 127.5), ((-1, 1), lambda x: x)],
    ids=["unit", "bytes", "centred"],
)
def test_every_range_gives_the_same_picture(img_range: tuple[int, int], change: Any) -> None:
    network = Then(change)
    z = torch.randn(2, 6)
    img = _wrap(network, img_range=img_range).synthesize(z)
    assert torch.allclose(img, network.decoder(z).detach(), atol=1e-6)


def test_bytes_stay_the_bytes_that_they_are() -> None:
    network = Then(lambda x: (x * 127.5 + 127.5).round().to(torch.uint8))
    z = torch.randn(3, 6)
    found = _wrap(network, img_range=(0, 255)).images(z)
    assert torch.equal(found, network(z).permute(0, 2, 3, 1))


def test_channels_may_come_last_or_be_left_out() -> None:
    z = torch.randn(2, 6)
    last = Then(lambda x: x.permute(0, 2, 3, 1))
    assert torch.equal(_wrap(last, layout="NHWC").synthesize(z), last.decoder(z).detach())
    grey = Then(lambda x: x[:, 0])
    G = _wrap(grey)
    assert (G.img_channels, G.img_shape) == (1, (4, 8))
    assert torch.equal(G.synthesize(z)[:, 0], grey(z).detach())
    assert G.images(z).shape == (2, 4, 8, 1)


def test_a_labels_class_reaches_the_module_everywhere() -> None:
    module = Decoder(c_dim=3).eval()
    G = _wrap(module, c_dim=3, batch=2)
    z, c = seeds_to_z([0, 1], 6), np.eye(3, dtype=np.float32)[[2, 0]]
    expected = module(torch.from_numpy(z), torch.from_numpy(c)).detach()
    assert np.allclose(G.synthesize(z, c=c), expected, atol=1e-6)
    pictures = G.images(z, c=c)
    assert np.array_equal(next(G.sample([0, 1], c=c)).images, pictures)
    walked = list(frames(G, [0, 1], WalkConfig(w_frames=1, class_index=2)))
    assert np.array_equal(walked[0], pictures[0])
    with pytest.raises(ValueError, match="This network is conditional: pass c"):
        G.synthesize(z)
    with pytest.raises(ValueError, match="The class is missing"):
        list(frames(G, [0, 1], WalkConfig(w_frames=1)))


def test_a_label_that_changes_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Deaf(Decoder):
        def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
            return super().forward(z) + 0 * c.sum() if c is not None else super().forward(z)

    _wrap(Deaf().eval(), c_dim=2)
    assert "the label has no effect" in caplog.text


# Spatial latents


def test_spatial_latents_keep_their_shape_from_seed_to_file_to_picture(tmp_path: Path) -> None:
    G = wplus.wrap(_spatial(), z_shape=(2, 3, 5), device="cpu", batch=2)
    assert (G.z_shape, G.z_dim, G.img_shape) == ((2, 3, 5), 30, (6, 10))
    batch = next(G.sample([7, 8]))
    assert batch.latents.values.shape == (2, 2, 3, 5)
    assert np.array_equal(batch.latents.values.reshape(2, 30), seeds_to_z([7, 8], 30))
    batch.latents.save(tmp_path / "z.npz")
    loaded = Latents.load(tmp_path / "z.npz")
    assert loaded.values.shape == (2, 2, 3, 5)
    assert np.array_equal(G.images(loaded), batch.images)


def test_walks_turn_a_spatial_latent_as_one_vector() -> None:
    G = wplus.wrap(_spatial(), z_shape=(2, 3, 5), device="cpu", batch=1)
    ends = next(wplus.wrap(_spatial(), z_shape=(2, 3, 5), device="cpu", batch=2).sample([0, 1])).latents.values
    pictures = list(frames(G, [0, 1], WalkConfig(w_frames=2)))
    assert np.array_equal(pictures[0], G.images(ends[:1])[0])
    a, b = (end.reshape(-1).astype(np.float64) for end in ends)
    middle = a / np.linalg.norm(a) + b / np.linalg.norm(b)
    middle *= (np.linalg.norm(a) + np.linalg.norm(b)) / 2 / np.linalg.norm(middle)
    expected = G.images(middle.reshape(1, 2, 3, 5).astype(np.float32))[0]
    assert np.abs(pictures[1].astype(int) - expected).max() <= 1


def test_a_spatial_latent_of_another_shape_is_refused() -> None:
    G = wplus.wrap(_spatial(), z_shape=(2, 3, 5), device="cpu")
    with pytest.raises(ValueError, match=r"needs \[N, 2, 3, 5\]"):
        G.synthesize(np.zeros((1, 30), np.float32))


# Fingerprints


def test_a_fingerprint_follows_weights_structure_and_what_was_said() -> None:
    torch.manual_seed(1)
    module = Decoder().eval()
    same = Decoder().eval()
    same.load_state_dict(module.state_dict())
    first = _wrap(module).fingerprint
    assert first.startswith("wplus1:")
    assert _wrap(same).fingerprint == first
    others = [
        _wrap(Decoder().eval()),
        _wrap(module, z_scale=2.0),
        _wrap(module, c_dim=0, img_range=(-1.0, 1.01)),
    ]
    assert first not in {G.fingerprint for G in others}


def test_the_same_weights_under_another_activation_have_another_fingerprint() -> None:
    torch.manual_seed(1)
    dense = nn.Linear(6, 96)
    shapes = [nn.Sequential(dense, act, nn.Unflatten(1, (3, 4, 8))).eval() for act in (nn.Tanh(), nn.Softsign())]
    first, second = (_wrap(module).fingerprint for module in shapes)
    assert first != second


def test_latents_of_another_wrapped_module_are_refused() -> None:
    z = Latents(values=np.zeros((1, 6), np.float32), space="z", generator=_wrap().fingerprint)
    with pytest.raises(LatentMismatchError, match="belong to the generator"):
        _wrap().synthesize(z)


# What is caught


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, 0, 0], r"It gave \[2, 8\] for 2 z; \[2, C, H, W\] with 1 to 4 channels"),
        (lambda x: x.permute(0, 2, 3, 1).repeat(1, 2, 1, 1), r'The channels stand elsewhere: pass layout="NHWC"'),
        (lambda x: x[:1], r"It gave \[1, 3, 4, 8\] for 2 z"),
        (lambda x: (x, x), "TypeError: It gave a tuple; one array"),
        (lambda x: x / 0 * 0, "of the pictures' values are NaN or infinite"),
        (lambda x: x * 127.5 + 127.5, r"lie between .* and 2\d\d.*, \d+% of them outside: img_range says -1 to 1"),
        (lambda x: x / 2 + 0.5, r"none below mid-grey: img_range says -1 to 1. Pass img_range=\(0, 1\)"),
        (lambda x: x + 0.1 * torch.rand_like(x), "the network draws random numbers"),
        (lambda x: x - x.mean(0), "A picture depends on what is drawn with it"),
    ],
    ids=["shape", "layout", "count", "tuple", "nan", "bytes", "unit", "random", "company"],
)
def test_what_is_no_picture_is_caught_at_wrapping(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _wrap(Then(change))


@pytest.mark.parametrize(
    ("img_range", "message"),
    [((0, 1), "of them outside: img_range says 0 to 1"), ((0, 255), "img_range says 0 to 255")],
)
def test_a_centred_picture_said_to_be_another_is_caught(img_range: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _wrap(img_range=img_range)


def test_unit_pictures_said_to_be_bytes_are_caught() -> None:
    with pytest.raises(ValueError, match=r"Pass img_range=\(0, 1\) if that is black and white"):
        _wrap(Then(lambda x: x / 2 + 0.5), img_range=(0, 255))


def test_batch_norm_without_statistics_is_caught() -> None:
    module = Decoder()
    module.norm = nn.BatchNorm1d(96, track_running_stats=False)
    with pytest.raises(ValueError, match=r"depends on what is drawn with it|failed on z"):
        _wrap(module)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"z_dim": 5}, r"The network failed on z \[2, 5\]: RuntimeError"),
        ({"c_dim": 2}, r"and c \[2, 2\], one-hot.*\n.*let it do c.argmax\(1\)"),
        ({"c_dim": -1}, "c_dim is -1"),
        ({"z_dim": None}, "z_dim is None, z_shape None; one of them is needed"),
        ({"z_shape": (2, 2)}, r"z_shape \(2, 2\) has 4 numbers"),
        ({"z_dim": 0}, "z_dim is 0"),
        ({"z_scale": 0}, "z_scale is 0"),
        ({"img_range": (1, 0)}, r"img_range is \(1.0, 0.0\); black and white are needed"),
        ({"layout": "CHW"}, "layout is 'CHW'; known: NCHW, NHWC"),
        ({"batch": 0}, "batch is 0"),
    ],
    ids=["z", "c", "negative", "none", "both", "zero", "scale", "range", "layout", "batch"],
)
def test_wrong_arguments_say_what_is_needed(options: dict[str, Any], message: str) -> None:
    module = nn.Sequential(nn.Linear(6, 96), nn.Unflatten(1, (3, 4, 8)), nn.Tanh())
    with pytest.raises(ValueError, match=message):
        _wrap(module, **options)


def test_a_module_that_wants_a_label_says_so() -> None:
    class Wanting(Decoder):
        def forward(self, z: Tensor, c: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(z + c.sum())

    with pytest.raises(ValueError, match=r"missing 1 required positional argument[\s\S]*pass c_dim"):
        _wrap(Wanting())


def test_a_function_is_refused() -> None:
    with pytest.raises(TypeError, match=r"A function was given; a torch.nn.Module or the path of an .onnx file"):
        _wrap(lambda z: z)


def test_a_generator_of_a_module_says_why_it_does_not_pickle() -> None:
    with pytest.raises(TypeError, match="was not made from a file"):
        pickle.dumps(_wrap())


def test_fast_converts_the_copy_and_stays_a_picture() -> None:
    exact, fast = _wrap(Decoder().eval()), _wrap(precision="fast")
    assert exact.dtype == "float32"
    assert fast.synthesize(torch.zeros(1, 6)).dtype == torch.float32


# ONNX graphs


def _graph(tmp_path: Path, *, batch: int | str = "N", c_dim: int = 0, outputs: int = 1) -> Path:
    """z [N, 6] (plus c times a matrix) to tanh of a dense layer, [N, 3, 4, 8]."""
    random = np.random.RandomState(0)
    constants = {"w": random.randn(6, 96), "u": random.randn(max(c_dim, 1), 6)}
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [batch, 6])]
    nodes = []
    if c_dim:
        inputs.append(helper.make_tensor_value_info("label", TensorProto.FLOAT, [batch, c_dim]))
        nodes += [helper.make_node("MatMul", ["label", "u"], ["cu"]), helper.make_node("Add", ["z", "cu"], ["x"])]
    nodes += [
        helper.make_node("MatMul", ["x" if c_dim else "z", "w"], ["y"]),
        helper.make_node("Tanh", ["y"], ["t"]),
        helper.make_node("Reshape", ["t", "shape"], ["img"]),
    ]
    weights = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    weights.append(numpy_helper.from_array(np.array([-1, 3, 4, 8]), "shape"))
    names = ["img", "t"][:outputs]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    graph = helper.make_graph(nodes, "picture", inputs, values, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "decoder.onnx")
    return tmp_path / "decoder.onnx"


def _expected(z: np.ndarray) -> np.ndarray:
    weight = np.random.RandomState(0).randn(6, 96).astype(np.float32)
    return np.tanh(z @ weight).reshape(-1, 3, 4, 8)


@pytest.mark.parametrize("batch", ["N", 1, 2])
def test_a_graph_draws_any_number_of_pictures(tmp_path: Path, batch: int | str) -> None:
    G = _wrap(_graph(tmp_path, batch=batch))
    assert (G.family, G.backend, G.device, G.name) == ("plain", "onnxruntime", "cpu", "decoder.onnx")
    z = seeds_to_z(range(3), 6)
    img = G.synthesize(z)
    assert isinstance(img, np.ndarray)
    assert np.abs(img - _expected(z)).max() < 1e-5
    assert G.synthesize(z[:0]).shape == (0, 3, 4, 8)
    tensor = G.synthesize(torch.from_numpy(z))
    assert np.array_equal(tensor.numpy(), img)
    assert np.array_equal(next(G.sample(range(3))).images, G.images(z))


def test_a_graphs_bytes_are_rounded_as_ours(tmp_path: Path) -> None:
    G = _wrap(_graph(tmp_path))
    z = seeds_to_z(range(4), 6)
    expected = np.clip(np.floor(G.synthesize(z) * 127.5 + 128), 0, 255).transpose(0, 2, 3, 1)
    assert np.array_equal(G.images(z), expected)


def test_a_graph_takes_a_label(tmp_path: Path) -> None:
    G = _wrap(_graph(tmp_path, c_dim=2), c_dim=2)
    z = np.zeros((1, 6), np.float32)
    first, second = (G.synthesize(z, c=np.eye(2, dtype=np.float32)[i : i + 1]) for i in range(2))
    assert np.abs(first - second).max() > 0.1


def test_a_graph_computes_no_gradients_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="asks for a gradient, and onnxruntime computes none"):
        _wrap(_graph(tmp_path)).synthesize(torch.zeros(1, 6, requires_grad=True))


def test_a_graphs_fingerprint_is_its_files_and_it_pickles(tmp_path: Path) -> None:
    G = _wrap(_graph(tmp_path), z_scale=0.5)
    assert G.fingerprint == _wrap(_graph(tmp_path), z_scale=0.5).fingerprint
    assert G.fingerprint != _wrap(_graph(tmp_path)).fingerprint
    again = pickle.loads(pickle.dumps(G))
    assert again.fingerprint == G.fingerprint
    z = seeds_to_z([1], 6)
    assert np.array_equal(again.synthesize(z), G.synthesize(z))


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        ({}, {"z_dim": 7}, r"The graph's input z is tensor\(float\) \['N', 6\]; z is \[N, 7\]"),
        ({"c_dim": 2}, {}, r"The graph takes z \['N', 6\], label \['N', 2\]; z alone are fed. A label needs c_dim"),
        ({"outputs": 2}, {}, "The graph gives img, t; the picture alone is needed"),
        ({}, {"device": "cuda"}, "a wrapped ONNX graph runs on the CPU"),
        ({}, {"precision": "fast"}, "The precision of an ONNX graph is in the graph"),
        ({}, {"img_range": (0, 1)}, "of them outside: img_range says 0 to 1"),
    ],
    ids=["z", "c", "outputs", "device", "precision", "range"],
)
def test_a_graph_that_does_not_fit_is_refused(
    tmp_path: Path, made: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises((ValueError, UnsupportedError), match=message):
        _wrap(_graph(tmp_path, **made), **options)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match="onnxruntime cannot run the graph"):
        _wrap(tmp_path / "a.onnx")
    with pytest.raises(ArtifactError, match="could not be read: No such file"):
        _wrap(tmp_path / "b.onnx")
    with pytest.raises(ValueError, match=r"net.pkl is no .onnx file; wplus.load reads checkpoints"):
        _wrap(tmp_path / "net.pkl")


def test_weights_beside_the_graph_are_refused_since_no_fingerprint_covers_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(_graph(tmp_path))
    onnx.save_model(model, tmp_path / "out.onnx", save_as_external_data=True, location="out.data", size_threshold=100)
    assert (tmp_path / "out.data").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="Weights must be in the file itself"):
        _wrap("out.onnx")
