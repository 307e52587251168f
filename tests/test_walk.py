"""Facts about walks through latent space, drawn by a generator that is small enough to check by hand."""

import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wplus.errors import ArtifactError, LatentMismatchError, UnsupportedError
from wplus.generator import Generator
from wplus.interpolation import Interp, interpolate
from wplus.keyframes import Keyframes
from wplus.latents import Latents, seeds_to_z
from wplus.media import Picture
from wplus.media_metadata import read_metadata
from wplus.video import VideoOptions
from wplus.walk import WalkConfig, frame_times, frames, walk

MIX = np.random.RandomState(7).randn(4, 6).astype(np.float32)
PAINT = np.random.RandomState(8).randn(18, 3).astype(np.float32)


class Tiny:
    """A generator of 2 x 5 px: w = z MIX + label, and every picture has one colour."""

    family, name, fingerprint, parent = "stylegan2", "tiny.pkl", "wplus1:0123456789abcdef", None
    z_dim, w_dim, num_ws, img_shape, img_resolution, micro_batch = 4, 6, 3, (2, 5), 5, 4
    z_shape: tuple[int, ...] = (4,)
    has_w = has_truncation = True
    noise_constants: dict[str, NDArray[np.float32]] = {}  # noqa: RUF012
    backend, device, precision, threads, tuning = "torch", "cpu", "exact", 1, None

    def __init__(self, c_dim: int = 0) -> None:
        self.c_dim = c_dim
        self.noises: list[Any] = []
        self.labels: list[Any] = []
        self.drawn: list[tuple[NDArray[np.float32], Any]] = []

    def map(
        self,
        z: NDArray[np.float32],
        c: NDArray[np.float32] | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
    ) -> NDArray[np.float32]:
        w = np.stack([(row[:, None] * MIX).sum(0) for row in z])
        if c is not None:
            w = w + c @ np.arange(self.c_dim, dtype=np.float32)[:, None]
        ws = np.repeat(w[:, None], self.num_ws, axis=1)
        ws[:, :truncation_cutoff] *= truncation_psi
        return ws

    def images(
        self,
        ws: NDArray[np.float32],
        noise_mode: str = "const",
        noise: Any = None,
        seeds: Sequence[int] = (),
        *,
        c: NDArray[np.float32] | None = None,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
        transform: NDArray[np.float32] | None = None,
    ) -> Picture:
        assert transform is truncation_psi is truncation_cutoff is None
        self.labels.append(c)
        self.noises.append(noise)
        self.drawn.extend(zip(ws, seeds, strict=True))
        shift = [seed if noise_mode == "random" else 0 for seed in seeds]
        colours = [np.tanh((row.reshape(-1, 1) * PAINT[: row.size]).sum(0) / 9) for row in ws]
        levels = np.stack(colours) * 100 + 128 + np.array(shift)[:, None]
        return np.tile(levels.astype(np.uint8)[:, None, None], (1, *self.img_shape, 1))

    def walked(self, count: int) -> NDArray[np.float32]:
        """The first latents that were drawn; padding follows them."""
        return np.stack([ws for ws, _ in self.drawn[:count]])


class Plain(Tiny):
    """The same without W, and with a spatial z."""

    family, has_w, has_truncation, z_dim, z_shape = "plain", False, False, 6, (2, 3, 1)

    def map(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a plain network does not map")


def as_generator(G: Tiny) -> Generator:
    return cast(Generator, G)


def all_frames(G: Tiny, keyframes: Keyframes, **config: Any) -> NDArray[np.uint8]:
    return np.stack(list(frames(as_generator(G), keyframes, WalkConfig(**config))))


def ws_of(G: Tiny, seeds: Sequence[int]) -> NDArray[np.float32]:
    return np.concatenate([G.map(seeds_to_z([seed], 4)) for seed in seeds])


def test_an_open_walk_starts_and_ends_on_keyframes() -> None:
    times = frame_times(4, WalkConfig(w_frames=10))
    assert (len(times), times[0], times[-1]) == (31, 0, 3)
    assert set(range(4)) <= set(times)


def test_a_loop_has_no_frame_twice() -> None:
    times = frame_times(4, WalkConfig(w_frames=10, loop=True))
    assert (len(times), times[0], times[-1]) == (40, 0, 3.9)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_frames_in_all_are_as_many_as_asked(count: int, loop: bool) -> None:
    times = frame_times(3, WalkConfig(frames=count, loop=loop))
    assert len(times) == count
    assert times[0] == 0
    assert np.allclose(np.diff(times), (3 if loop else 2) / max(count - (not loop), 1))


@pytest.mark.parametrize("interp", ["linear", "slerp", "spline"])
def test_a_walk_in_w_draws_the_curve_through_mapped_seeds(interp: Interp) -> None:
    G = Tiny()
    all_frames(G, [3, 1, 2], interp=interp, w_frames=4)
    curve = interpolate(ws_of(G, [3, 1, 2]), np.arange(9) / 4, interp=interp, loop=False)
    assert G.walked(9).tobytes() == curve.tobytes()


def test_a_walk_in_z_maps_the_curve_through_z() -> None:
    G = Tiny()
    all_frames(G, [3, 1], space="z", w_frames=4, truncation_psi=0.5)
    curve = interpolate(seeds_to_z([3, 1], 4), np.arange(5) / 4, interp="slerp", loop=False)
    expected = np.concatenate([G.map(z[None], truncation_psi=0.5) for z in curve])
    np.testing.assert_array_equal(G.walked(5), expected)


def test_the_default_is_a_spline_in_w_and_slerp_in_z() -> None:
    for space, interp in (("w", "spline"), ("z", "slerp")):
        default = all_frames(Tiny(), range(4), space=space, w_frames=5)
        np.testing.assert_array_equal(default, all_frames(Tiny(), range(4), space=space, w_frames=5, interp=interp))
    np.testing.assert_array_equal(all_frames(Tiny(), range(4)), all_frames(Tiny(), range(4), space="w"))


@pytest.mark.parametrize("space", ["w", "z"])
def test_a_frame_does_not_depend_on_the_others(space: str) -> None:
    fine = all_frames(Tiny(), [5, 6, 7], space=space, w_frames=30)
    coarse = all_frames(Tiny(), [5, 6, 7], space=space, w_frames=6)
    assert fine[::5].tobytes() == coarse.tobytes()


@pytest.mark.parametrize("space", ["w", "z"])
def test_a_loop_closes_without_a_seam(space: str) -> None:
    G = Tiny()
    all_frames(G, [5, 6, 7], space=space, loop=True, w_frames=40)
    ws = G.walked(120)
    steps = np.linalg.norm(np.roll(ws, -1, axis=0) - ws, axis=(1, 2))
    assert min(steps[-2], steps[0]) * 0.9 < steps[-1] < max(steps[-2], steps[0]) * 1.1


def test_cells_of_a_grid_are_walks_of_their_own() -> None:
    whole = all_frames(Tiny(), range(12), grid=(3, 2), w_frames=5)
    assert whole.shape == (6, 4, 15, 3)
    for cell in range(6):
        row, column = divmod(cell, 3)
        alone = all_frames(Tiny(), [2 * cell, 2 * cell + 1], w_frames=5)
        np.testing.assert_array_equal(whole[:, 2 * row : 2 * row + 2, 5 * column : 5 * column + 5], alone)


def test_num_keyframes_takes_the_seeds_in_turn() -> None:
    reused = all_frames(Tiny(), [0, 1, 2], grid=(2, 1), num_keyframes=4, w_frames=3)
    np.testing.assert_array_equal(reused, all_frames(Tiny(), [0, 1, 2, 0, 1, 2, 0, 1], grid=(2, 1), w_frames=3))


@pytest.mark.parametrize(
    ("count", "config", "message"),
    [
        (8, {"grid": (3, 1)}, r"8 keyframes do not divide into the 3 cells of a 3x1 grid"),
        (8, {"grid": (4, 2)}, r"8 keyframes and a 4x2 grid leave 1 per cell; a walk needs 2 or more"),
        (1, {"loop": True}, r"leave 1 per cell"),
        (8, {"num_keyframes": 1}, r"leave 1 per cell"),
        (0, {}, r"0 keyframes"),
    ],
)
def test_keyframes_that_do_not_fit_the_grid_are_refused(count: int, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frames(as_generator(Tiny()), range(count), WalkConfig(**config))


@pytest.mark.parametrize(
    "config", [{"grid": (0, 1)}, {"w_frames": 0}, {"frames": 0}, {"fps": 0}], ids=lambda config: next(iter(config))
)
def test_configurations_that_make_no_sense_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(config))} is"):
        WalkConfig(**config)


def test_random_noise_stays_the_same_within_a_cell() -> None:
    G = Tiny()
    all_frames(G, [9, 2, 5, 4], grid=(2, 1), noise_mode="random", w_frames=3)
    assert [seed for _, seed in G.drawn] == [9, 5] * 4  # 4 frames: 2 full micro-batches


def test_latents_walk_as_the_seeds_that_they_came_from() -> None:
    G = Tiny()
    by_seeds = all_frames(G, [1, 2, 3], w_frames=4)
    ws = ws_of(G, [1, 2, 3])
    passport = Latents(values=ws, space="w+", generator=G.fingerprint)
    for latents in (ws, ws[:, 0], passport, Latents(values=seeds_to_z([1, 2, 3], 4), space="z")):
        np.testing.assert_array_equal(all_frames(G, latents, w_frames=4), by_seeds)
    z_walk = all_frames(G, seeds_to_z([1, 2, 3], 4), space="z", w_frames=4)
    np.testing.assert_array_equal(z_walk, all_frames(G, [1, 2, 3], space="z", w_frames=4))


def test_latents_of_another_generator_are_refused_unless_allowed() -> None:
    foreign = Latents(values=ws_of(Tiny(), [1, 2]), space="w+", generator="wplus1:ffffffffffffffff")
    with pytest.raises(LatentMismatchError):
        frames(as_generator(Tiny()), foreign)
    assert next(frames(as_generator(Tiny()), foreign, allow_mismatch=True)).shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("keyframes", "config", "message"),
    [
        (np.zeros((3, 7), np.float32), {}, r"\[3, 7\]; .* needs \[K, 6\] or \[K, 3, 6\]"),
        (np.zeros((3, 7), np.float32), {"space": "z"}, r"needs z of \[K, 4\]"),
        (Latents(values=np.zeros((2, 6), np.float32), space="w"), {"space": "z"}, r"keyframes are w; .*--space=w"),
        (np.zeros((2, 6), np.float32), {"truncation_psi": 0.7}, r"w already\. Leave out --trunc"),
        ([0, 1], {"class_index": 1}, r"The class is 1; .* needs none"),
    ],
    ids=["w shape", "z shape", "w in z", "truncated w", "class"],
)
def test_keyframes_that_do_not_fit_the_network_are_refused(
    keyframes: Keyframes, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        frames(as_generator(Tiny()), keyframes, WalkConfig(**config))


def test_a_conditional_network_needs_a_class_and_uses_it() -> None:
    for index in (None, 3, -1):
        with pytest.raises(ValueError, match=r"needs a class from 0 to 2 \(--class\)"):
            frames(as_generator(Tiny(c_dim=3)), [0, 1], WalkConfig(class_index=index))
    one = all_frames(Tiny(c_dim=3), [0, 1], class_index=1, w_frames=2)
    assert not np.array_equal(one, all_frames(Tiny(c_dim=3), [0, 1], class_index=2, w_frames=2))


def test_truncation_reaches_the_map() -> None:
    G = Tiny()
    all_frames(G, [0, 1], truncation_psi=0.5, truncation_cutoff=1, w_frames=1)
    np.testing.assert_array_equal(G.drawn[0][0] * [[2], [1], [1]], ws_of(G, [0])[0])


def test_z_latents_bring_their_truncation() -> None:
    latents = Latents(values=seeds_to_z([0, 1], 4), space="z", truncation_psi=0.5)
    for space in ("z", "w"):
        expected = all_frames(Tiny(), [0, 1], space=space, truncation_psi=0.5, w_frames=2)
        np.testing.assert_array_equal(all_frames(Tiny(), latents, space=space, w_frames=2), expected)


def test_noise_of_latents_is_used_when_it_is_one_for_all(caplog: pytest.LogCaptureFixture) -> None:
    def noise_seen(maps: int) -> list[Any]:
        G = Tiny()
        noise = {"b4.conv1.noise_const": np.zeros((maps, 1, 4, 4), np.float32)}
        all_frames(G, Latents(values=ws_of(G, [0, 1]), space="w+", noise=noise), w_frames=2)
        return G.noises

    assert list(noise_seen(1)[0]) == ["b4.conv1.noise_const"]
    assert noise_seen(2) == [None]
    assert "the network's own" in caplog.text


def test_a_plain_network_walks_in_z_and_turns_it_as_one_vector() -> None:
    G = Plain()
    all_frames(G, [0, 1], w_frames=2)
    flat = seeds_to_z([0, 1], (6,))
    middle = interpolate(flat, [0.5], interp="slerp", loop=False)[0]
    np.testing.assert_array_equal(G.drawn[1][0], middle.reshape(2, 3, 1))


def test_a_plain_network_refuses_w_and_truncation() -> None:
    with pytest.raises(UnsupportedError, match=r"tiny\.pkl \(family plain\) has no space w.*--space=z"):
        frames(as_generator(Plain()), [0, 1], WalkConfig(space="w"))
    with pytest.raises(UnsupportedError, match="no truncation"):
        frames(as_generator(Plain()), [0, 1], WalkConfig(truncation_psi=0.5))


def test_frames_are_drawn_as_they_are_asked_for() -> None:
    G = Tiny()
    drawing = frames(as_generator(G), range(4), WalkConfig(grid=(2, 1), w_frames=100_000))
    next(drawing)
    assert len(G.drawn) <= 3 * G.micro_batch


@pytest.mark.parametrize("name", ["walk.mp4", "walk.gif", "frames/"])
def test_a_walk_is_written_and_says_how_it_was_made(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = WalkConfig(grid=(2, 1), w_frames=3, loop=True, fps=25)
    output = walk(as_generator(Tiny()), range(4), output=f"{tmp_path}/{name}", config=config, progress=True)
    said = read_metadata(output / "frame0005.png" if name.endswith("/") else output)
    assert said is not None
    expected = {"seeds": [0, 1, 2, 3], "grid": "2x1", "loop": True, "fps": 25, "w_frames": 3, "interp": "spline"}
    assert expected.items() <= said.items()
    assert (said["fingerprint"], said["network"], said["space"]) == (Tiny.fingerprint, "tiny.pkl", "w")
    assert capfd.readouterr().err == ""  # no bar in a pipe


def test_png_frames_are_the_frames_and_metadata_can_be_left_out(tmp_path: Path) -> None:
    config = WalkConfig(w_frames=2)
    walk(as_generator(Tiny()), [0, 1], output=f"{tmp_path}/frames/", config=config, metadata=False)
    for i, picture in enumerate(all_frames(Tiny(), [0, 1], w_frames=2)):
        path = tmp_path / "frames" / f"frame{i:04d}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)
        assert read_metadata(path) is None


def test_a_walk_that_fails_leaves_nothing(tmp_path: Path) -> None:
    G = Tiny()

    def broken(*_: Any, **__: Any) -> Picture:
        raise ArtifactError("stop")

    G.images = broken  # type: ignore[method-assign]
    with pytest.raises(ArtifactError, match="stop"):
        walk(as_generator(G), [0, 1], output=tmp_path / "walk.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_walk_draws_only_what_is_missing(tmp_path: Path) -> None:
    config = WalkConfig(w_frames=10)
    resume = VideoOptions(resume=True)
    walk(as_generator(Tiny()), [0, 1, 2], output=tmp_path, config=config, video=resume)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for number in (3, 4, 20):
        (tmp_path / f"frame{number:04d}.png").unlink()
    G = Tiny()
    walk(as_generator(G), [0, 1, 2], output=tmp_path, config=config, video=resume)
    assert len(G.drawn) == G.micro_batch  # three, and one that pads
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    walk(as_generator(G), [0, 1, 2], output=tmp_path, config=config, video=resume)
    assert len(G.drawn) == G.micro_batch


@pytest.mark.parametrize("is_latent", [False, True])
def test_a_resumed_walk_keeps_no_frame_of_another(tmp_path: Path, is_latent: bool) -> None:
    w = ws_of(Tiny(), [1, 2])
    first: Keyframes = w + 1 if is_latent else [1, 2]
    second: Keyframes = w if is_latent else [1, 2]
    config = WalkConfig(w_frames=3)
    other = config if is_latent else WalkConfig(w_frames=3, truncation_psi=0.5)
    for keyframes, settings in ((first, other), (second, config)):
        walk(as_generator(Tiny()), keyframes, output=tmp_path, config=settings, video=VideoOptions(resume=True))
    for i, picture in enumerate(frames(as_generator(Tiny()), second, config)):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"frame{i:04d}.png")), picture)


def test_a_walk_draws_in_the_callers_thread_and_its_others_end_with_it(tmp_path: Path) -> None:
    names: set[str] = set()

    class Watched(Tiny):
        def images(self, *arguments: Any, **options: Any) -> Picture:
            names.add(threading.current_thread().name)
            return super().images(*arguments, **options)

    walk(as_generator(Watched()), [0, 1], output=tmp_path / "walk.gif", config=WalkConfig(w_frames=5))
    assert names == {threading.current_thread().name}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("wplus")]


@pytest.mark.parametrize("name", ["walk.gif", "walk.mp4", "frames/"])
def test_memory_is_flat_over_thousands_of_frames(tmp_path: Path, name: str) -> None:
    class Forgetful(Tiny):
        img_shape = (64, 64)  # 12 KB a frame, 24 MB in all

        def images(self, *arguments: Any, **options: Any) -> Picture:
            self.drawn, self.noises, self.labels = [], [], []
            return super().images(*arguments, **options)

    def peak(count: int) -> int:
        tracemalloc.start()
        walk(as_generator(Forgetful()), [0, 1], output=f"{tmp_path}/{name}", config=WalkConfig(frames=count, fps=50))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(20)  # what is imported and kept
    few = peak(100)
    assert peak(2000) < few + 1_000_000
