"""What a `Generator` promises: kinds of arrays, options, errors, processes."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support import DATA

import wplus
from wplus.checkpoints import Checkpoint
from wplus.errors import LatentMismatchError, UnsupportedError, WplusError
from wplus.generator import Generator
from wplus.latents import Latents

_EYE = np.eye(3, dtype=np.float32)


def _z(generator: Generator, count: int = 2) -> np.ndarray:
    return wplus.latents.seeds_to_z(range(count), generator.z_shape)


def test_numpy_gives_numpy_and_torch_gives_torch(tiny: Generator) -> None:
    z = _z(tiny)
    ws = tiny.map(z)
    assert isinstance(ws, np.ndarray)
    assert ws.dtype == np.float32
    assert isinstance(tiny.synthesize(ws), np.ndarray)
    assert isinstance(tiny.images(ws), np.ndarray)
    tensor = tiny.map(torch.from_numpy(z))
    assert isinstance(tensor, torch.Tensor)
    assert not tensor.requires_grad
    assert np.array_equal(tensor.numpy(), ws)
    assert isinstance(tiny.synthesize(tensor), torch.Tensor)
    assert isinstance(tiny.images(tensor), torch.Tensor)


def test_float64_and_half_inputs_are_computed_in_float32(tiny: Generator) -> None:
    z = _z(tiny)
    assert np.array_equal(tiny.map(z.astype(np.float64)), tiny.map(z))
    assert tiny.map(torch.from_numpy(z).half()).dtype == torch.float32


def test_map_and_synthesize_are_differentiable(tiny: Generator) -> None:
    z = torch.from_numpy(_z(tiny)).requires_grad_()
    tiny.synthesize(tiny.map(z, truncation_psi=0.7)).square().sum().backward()
    assert z.grad is not None
    assert z.grad.abs().min() > 0


def test_the_weights_ask_for_no_gradient(tiny: Generator) -> None:
    ws = torch.zeros(1, tiny.num_ws, tiny.w_dim)
    assert not tiny.synthesize(ws).requires_grad


def test_psi_draws_toward_the_mean(tiny: Generator) -> None:
    z = _z(tiny)
    ws = tiny.map(z)
    assert np.array_equal(tiny.map(z, truncation_psi=1.0), ws)
    np.testing.assert_allclose(tiny.map(z, truncation_psi=0), np.broadcast_to(tiny.w_avg, ws.shape), rtol=1e-6)
    beyond = tiny.w_avg + 1.5 * (ws - tiny.w_avg)
    np.testing.assert_allclose(tiny.map(z, truncation_psi=1.5), beyond, rtol=1e-4, atol=1e-5)


def test_the_cutoff_leaves_later_slots_alone(tiny: Generator) -> None:
    z = _z(tiny)
    full, cut = tiny.map(z, truncation_psi=0.5), tiny.map(z, truncation_psi=0.5, truncation_cutoff=2)
    assert np.array_equal(cut[:, :2], full[:, :2])
    assert np.array_equal(cut[:, 2:], tiny.map(z)[:, 2:])
    assert np.array_equal(tiny.map(z, truncation_psi=0.5, truncation_cutoff=0), tiny.map(z))


def test_psi_and_cutoff_may_differ_by_sample(tiny: Generator) -> None:
    z = _z(tiny, 3)
    ws = tiny.map(z, truncation_psi=np.array([1.0, 0.7, 0.2]), truncation_cutoff=np.array([6, 2, 0]))
    for i, (psi, cutoff) in enumerate([(1.0, 6), (0.7, 2), (0.2, 0)]):
        assert np.array_equal(ws[i], tiny.map(z, truncation_psi=psi, truncation_cutoff=cutoff)[i])


def test_images_are_the_contracts_bytes(tiny: Generator) -> None:
    ws = tiny.map(_z(tiny))
    img = tiny.synthesize(ws)
    expected = np.clip(np.floor(img * np.float32(127.5) + np.float32(128)), 0, 255).astype(np.uint8)
    assert np.array_equal(tiny.images(ws), expected.transpose(0, 2, 3, 1))


def test_noise_by_name_replaces_that_layer_alone(tiny: Generator) -> None:
    ws = tiny.map(_z(tiny))
    name = "b16.conv1.noise_const"
    zeros = np.zeros((1, 1, 16, 16), np.float32)
    changed = tiny.synthesize(ws, noise={name: zeros})
    assert not np.array_equal(changed, tiny.synthesize(ws))
    every = {key: np.zeros((2, 1, *shape), np.float32) for key, shape in tiny.noise_shapes.items()}
    assert np.array_equal(tiny.synthesize(ws, noise=every), tiny.synthesize(ws, "none"))
    assert not np.array_equal(changed, tiny.synthesize(ws, "none"))


def test_random_noise_belongs_to_its_seed(tiny: Generator) -> None:
    ws = np.repeat(tiny.map(_z(tiny, 1)), 3, axis=0)
    img = tiny.synthesize(ws, "random", seeds=[5, 6, 5])
    assert np.array_equal(img[0], img[2])
    assert not np.array_equal(img[0], img[1])


def test_noise_shapes_are_named_as_nvidia_names_its_buffers(tiny: Generator) -> None:
    assert tiny.noise_shapes == {
        "b4.conv1.noise_const": (4, 4),
        "b8.conv0.noise_const": (8, 8),
        "b8.conv1.noise_const": (8, 8),
        "b16.conv0.noise_const": (16, 16),
        "b16.conv1.noise_const": (16, 16),
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda G: G.synthesize(np.zeros((2, 16), np.float32)),
            r"ws is \[2, 16\]; this generator \(stylegan2",
        ),
        (lambda G: G.synthesize(np.zeros((2, 16), np.float32)), r"call latents.broadcast\(w, num_ws=6\)"),
        (lambda G: G.synthesize(np.zeros((6, 16), np.float32)), r"without a batch axis: pass ws\[None\]"),
        (lambda G: G.synthesize(np.zeros((1, 5, 16), np.float32)), r"needs \[N, 6, 16\]"),
        (lambda G: G.synthesize(np.zeros((1, 6, 16), np.int64)), "floating-point numbers are needed"),
        (lambda G: G.map(np.zeros((1, 5), np.float32)), r"z is \[1, 5\]; .* needs \[N, 16\]"),
        (lambda G: G.map(_z(G), truncation_psi=[1, 2, 3]), r"truncation_psi is \[3\]; one number, or \[2\]"),
        (lambda G: G.map(_z(G), truncation_psi=float("nan")), "truncation_psi is nan; it must be finite"),
        (lambda G: G.map(_z(G), truncation_cutoff=-1), "truncation_cutoff is -1; it must be at least 0"),
        (lambda G: G.map(_z(G), _EYE[:2]), "unconditional and takes no label"),
        (lambda G: G.synthesize(G.map(_z(G)), "loud"), "noise_mode is 'loud'; known: const, random, none"),
        (lambda G: G.synthesize(G.map(_z(G)), "random"), "needs 2 seeds, one per sample; none were given"),
        (lambda G: G.synthesize(G.map(_z(G)), "random", seeds=[1]), "needs 2 seeds, one per sample; 1 were given"),
        (lambda G: G.synthesize(G.map(_z(G)), noise={"b4": _EYE}), "noise has 'b4', which is no layer"),
        (
            lambda G: G.synthesize(G.map(_z(G)), noise={"b4.conv1.noise_const": np.zeros((1, 1, 8, 8), np.float32)}),
            r"noise\['b4.conv1.noise_const'\] is \[1, 1, 8, 8\]; \[2, 1, 4, 4\] or \[1, 1, 4, 4\]",
        ),
    ],
)
def test_wrong_arguments_say_what_is_needed(call: object, message: str, tiny: Generator) -> None:
    with pytest.raises(ValueError, match=message):
        call(tiny)  # type: ignore[operator]


def test_a_list_is_no_array(tiny: Generator) -> None:
    with pytest.raises(TypeError, match="ws is a list; a numpy array or a torch tensor is needed"):
        tiny.synthesize([[0.0]])


@pytest.mark.parametrize(
    ("c", "message"),
    [
        (None, r"conditional: pass c \[N, 3\]"),
        (np.zeros((2, 4), np.float32), r"c is \[2, 4\]; 2 samples need \[2, 3\] or \[1, 3\]"),
    ],
)
def test_a_conditional_network_needs_a_label(c: np.ndarray | None, message: str, conditional: Generator) -> None:
    with pytest.raises(ValueError, match=message):
        conditional.map(_z(conditional), c)


def test_a_label_is_broadcast(conditional: Generator) -> None:
    z = _z(conditional)
    expected = conditional.map(z, _EYE[[1, 1]])
    assert np.array_equal(conditional.map(z, _EYE[1:2]), expected)
    assert np.array_equal(conditional.map(z, [0, 1, 0]), expected)
    assert np.array_equal(conditional.map(torch.from_numpy(z), torch.eye(3)[1]), expected)


def test_latents_of_any_space_are_drawn(tiny: Generator) -> None:
    z = _z(tiny)
    ws = tiny.map(z, truncation_psi=0.7)
    expected = tiny.images(ws)
    own = tiny.fingerprint
    for latents in (
        Latents(values=z, space="z", generator=own, truncation_psi=0.7),
        Latents(values=ws[:, 0], space="w", generator=own),
        Latents(values=ws, space="w+", generator=own),
        Latents(values=ws, space="w+"),
    ):
        assert np.array_equal(tiny.images(latents), expected)


def test_latents_bring_their_noise(tiny: Generator) -> None:
    ws = tiny.map(_z(tiny))
    noise = {"b16.conv1.noise_const": np.zeros((2, 1, 16, 16), np.float32)}
    latents = Latents(values=ws, space="w+", noise=noise)
    assert np.array_equal(tiny.synthesize(latents), tiny.synthesize(ws, noise=noise))


def test_a_latent_of_another_generator_is_refused(tiny: Generator, caplog: pytest.LogCaptureFixture) -> None:
    ws = tiny.map(_z(tiny))
    foreign = Latents(values=ws, space="w+", generator="wplus1:0123456789abcdef")
    with pytest.raises(LatentMismatchError, match=f"wplus1:0123456789abcdef; .*{tiny.fingerprint}"):
        tiny.synthesize(foreign)
    assert np.array_equal(tiny.synthesize(foreign, allow_mismatch=True), tiny.synthesize(ws))
    assert "A w means nothing in another generator" in caplog.text


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backend": "tensorflow"}, ValueError, "backend is 'tensorflow'; known: auto, torch"),
        ({"backend": "onnxruntime"}, UnsupportedError, "this is a checkpoint in memory. Export it"),
        ({"precision": "half"}, ValueError, "precision is 'half'; known: exact, fast"),
        ({"threads": 0}, ValueError, "threads is 0; it must be at least 1"),
        ({"batch": -1}, ValueError, "batch is -1"),
        ({"device": "abacus"}, ValueError, "device is 'abacus'; known: auto, cuda, mps, cpu"),
        ({"device": "cuda:7"}, UnsupportedError, "The device cuda:7 is not available"),
    ],
)
def test_options_that_cannot_be_served_say_so(
    options: dict[str, object], error: type[Exception], message: str, tiny_checkpoint: Checkpoint
) -> None:
    if options.get("device") == "cuda:7" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(error, match=message):
        Generator(tiny_checkpoint, **options)  # type: ignore[arg-type]


def test_threads_hold_during_a_call_and_not_after(tiny_checkpoint: Checkpoint) -> None:
    ambient = torch.get_num_threads()
    with Generator(tiny_checkpoint, device="cpu", threads=ambient + 1) as G:
        seen = []
        network = G._running.network  # type: ignore[attr-defined]
        hook = network.synthesis.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
        G.synthesize(np.zeros((1, G.num_ws, G.w_dim), np.float32))
        hook.remove()
    assert seen == [ambient + 1]
    assert torch.get_num_threads() == ambient


def test_fast_says_its_type_and_stays_close(tiny_checkpoint: Checkpoint) -> None:
    exact, fast = (Generator(tiny_checkpoint, device="cpu", precision=p) for p in ("exact", "fast"))  # type: ignore[arg-type]
    assert exact.dtype == "float32"
    assert fast.dtype in ("bfloat16", "float32")
    ws = exact.map(_z(exact))
    assert np.array_equal(fast.map(_z(fast)), ws)  # the mapping stays in float32
    error = np.clip(fast.synthesize(ws), -1, 1) - np.clip(exact.synthesize(ws), -1, 1)
    assert 10 * np.log10(4 / np.square(error).mean(axis=(1, 2, 3)).max()) >= 40


def test_a_closed_generator_says_so(tiny_checkpoint: Checkpoint) -> None:
    with Generator(tiny_checkpoint, device="cpu") as G:
        pass
    G.close()
    with pytest.raises(WplusError, match="is closed"):
        G.map(np.zeros((1, G.z_dim), np.float32))


def test_it_pickles_as_path_and_options() -> None:
    G = wplus.load(DATA / "golden_sg2_orig_32.pkl", device="cpu", batch=2)
    twin = pickle.loads(pickle.dumps(G))
    assert twin.fingerprint == G.fingerprint
    assert (twin.micro_batch, twin.device, twin.name) == (2, "cpu", "golden_sg2_orig_32.pkl")


def test_without_a_path_it_does_not_pickle(tiny: Generator) -> None:
    with pytest.raises(TypeError, match="was not made from a file"):
        pickle.dumps(tiny)


_SPAWN = """
import multiprocessing, wplus
def total(G): return int(next(G.sample([0])).images.astype(int).sum())
if __name__ == "__main__":
    G = wplus.load("demo:portraits", device="cpu")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply_async(total, (G,)).get(60) == total(G))
"""


def test_spawned_processes_may_use_it(tmp_path: Path) -> None:
    script = tmp_path / "spawn.py"
    script.write_text(_SPAWN)
    out = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=120).stdout
    assert out == "True\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_every_call_is_an_error(tiny: Generator, tmp_path: Path) -> None:
    said = tmp_path / "said"
    child = os.fork()
    if child == 0:
        try:
            tiny.map(_z(tiny))
        except WplusError as exc:
            said.write_text(str(exc))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert "by a fork" in said.read_text()
    tiny.map(_z(tiny))  # the parent goes on


def test_fifty_loads_and_closes_leave_memory_flat() -> None:
    import resource

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(5):
        _load_draw_close()
    before = peak()
    for _ in range(50):
        _load_draw_close()
    assert peak() - before < 60 * 1024  # KiB; the demo's weights alone are 4.6 MiB each time


def _load_draw_close() -> None:
    with wplus.load("demo:portraits", device="cpu", batch=1) as G:
        next(G.sample([0]))


def test_names_hold_no_folders_and_no_keys() -> None:
    from wplus.loading import display_name

    assert display_name("/home/me/nets/ffhq.pkl") == "ffhq.pkl"
    assert display_name("demo:portraits") == "demo:portraits"
    assert display_name("https://me:secret@host/x/ffhq.pkl?key=1") == "https://host/x/ffhq.pkl"


def test_its_repr_says_what_it_is(tiny: Generator) -> None:
    assert repr(tiny).endswith(f": stylegan2, 16x16, {tiny.fingerprint}>")
