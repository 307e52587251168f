"""Facts about a walk as a function of time."""

from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support import DATA
from torch import nn

import wplus
from wplus.errors import LatentMismatchError, UnsupportedError
from wplus.generator import Generator
from wplus.interpolation import Interp, interpolate
from wplus.latents import Latents, seeds_to_z
from wplus.paths.description import ConstantSpeed, DirectionUse, Keyframe, MixUse, NoiseUse, Walk
from wplus.paths.drawing import draw_frames
from wplus.paths.path import UNTOUCHED, Controls, Path
from wplus.paths.tracks import Track, constant
from wplus.paths.walk_files import read_walk, write_walk
from wplus.transforms import user_transform
from wplus.walk import WalkConfig, frame_positions, frames, path_frames


def seeds(*numbers: int) -> tuple[Keyframe, ...]:
    return tuple(Keyframe(seed=number) for number in numbers)


def latent_at(path: Path, position: float, controls: Controls = UNTOUCHED, cell: int = 0) -> NDArray[np.float32]:
    return path.at(position, controls)[cell].latent


def mapped(G: Generator, *numbers: int, psi: float = 1) -> NDArray[np.float32]:
    """One by one, in the micro-batch that everything is mapped in."""
    rows = [G.map(seeds_to_z([number] * G.micro_batch, G.z_dim), None, psi)[:1] for number in numbers]
    return np.concatenate(rows)


_RICH = Walk(
    keyframes=(Keyframe(seed=3), Keyframe(seed=1, layers=(0, 1)), Keyframe(seed=4)),
    interp="catmull-rom",
    easing="sine",
    constant_speed="w",
    loop=True,
    truncation_psi=Track(times=(0, 2), values=(0.5, 1)),
    mix=MixUse(seed=8, layers=(4, 5), amount=Track(times=(0, 1), values=(0, 1))),
    noise=NoiseUse(radii=(0.5, 0.25), scales={"16": (1.0,)}),
)


@pytest.mark.parametrize("name", ["walk.json", "walk.toml"])
def test_the_same_file_gives_the_same_frames_to_the_last_bit(
    tiny: Generator, tiny_checkpoint: Any, tmp_path: FilePath, name: str
) -> None:
    write_walk(tmp_path / name, _RICH)
    before = np.stack(list(path_frames(Path(tiny, _RICH), np.arange(12) / 4)))
    with Generator(tiny_checkpoint, device="cpu", batch=4) as another:
        after = np.stack(list(path_frames(Path(another, read_walk(tmp_path / name)), np.arange(12) / 4)))
    assert before.tobytes() == after.tobytes()


def test_a_frame_does_not_depend_on_what_was_asked_before(tiny: Generator) -> None:
    path = Path(tiny, _RICH)
    scrubbed = [path.draw(tiny, path.at(position)) for position in (2.3, 0.4, 2.3)]
    np.testing.assert_array_equal(scrubbed[0], scrubbed[2])
    np.testing.assert_array_equal(scrubbed[0], next(path_frames(Path(tiny, _RICH), [2.3])))
    for space in ("w", "z"):
        walk = Walk(keyframes=seeds(1, 2, 3), space=space)
        together = list(path_frames(Path(tiny, walk), np.arange(9) / 4))
        np.testing.assert_array_equal(together[5], next(path_frames(Path(tiny, walk), [1.25])))


def test_a_loop_closes_and_goes_on(tiny: Generator) -> None:
    path = Path(tiny, _RICH)
    np.testing.assert_array_equal(path.draw(tiny, path.at(0)), path.draw(tiny, path.at(3)))
    np.testing.assert_array_equal(latent_at(path, 1.25), latent_at(path, 7.25))
    np.testing.assert_array_equal(latent_at(path, -0.5), latent_at(path, 2.5))
    end, start = path.at(3 - 1e-7)[0], path.at(0)[0]
    np.testing.assert_allclose(end.latent, start.latent, atol=1e-4)
    assert end.noise is not None
    assert start.noise is not None
    for name, maps in start.noise.items():
        np.testing.assert_allclose(end.noise[name], maps, atol=1e-4)


def test_an_open_walk_stays_at_its_ends(tiny: Generator) -> None:
    path = Path(tiny, Walk(keyframes=seeds(1, 2, 3), seconds_per_keyframe=1.5))
    assert (path.length, path.duration, path.cells) == (2, 3, 1)
    np.testing.assert_array_equal(latent_at(path, -5), latent_at(path, 0))
    np.testing.assert_array_equal(latent_at(path, 99), mapped(tiny, 3)[0])
    with pytest.raises(ValueError, match="position is nan"):
        path.at(float("nan"))


def test_a_frame_of_a_grid_is_its_cells(tiny: Generator) -> None:
    path = Path(tiny, Walk(keyframes=seeds(*range(8)), grid=(2, 2)))
    assert (path.cells, path.length) == (4, 1)
    frame = path.draw(tiny, path.at(0.5))
    assert frame.shape == (32, 32, 3)
    alone = Path(tiny, Walk(keyframes=seeds(4, 5)))
    np.testing.assert_array_equal(frame[16:, :16], alone.draw(tiny, alone.at(0.5)))


@pytest.mark.parametrize("interp", ["linear", "spline", "catmull-rom"])
def test_a_truncation_that_changes_is_that_of_a_mapping(tiny: Generator, interp: Interp) -> None:
    walk = Walk(keyframes=seeds(1, 2, 3), interp=interp, truncation_psi=Track(times=(0, 2), values=(0.5, 1)))
    path = Path(tiny, walk)
    for position in (0, 0.5, 1, 1.7):
        psi = 0.5 + position / 4
        wanted = interpolate(mapped(tiny, 1, 2, 3, psi=psi), [position], interp=interp, loop=False)[0]
        np.testing.assert_allclose(latent_at(path, position), wanted, atol=3e-6)
    by_hand = latent_at(Path(tiny, replace(walk, truncation_psi=constant(1.0))), 0.3, Controls(truncation_psi=0.7))
    settled = latent_at(Path(tiny, replace(walk, truncation_psi=constant(0.7))), 0.3)
    np.testing.assert_allclose(by_hand, settled, atol=3e-6)


def test_a_cutoff_leaves_the_other_slots(tiny: Generator) -> None:
    path = Path(tiny, Walk(keyframes=seeds(1, 2)))
    ws = latent_at(path, 0, Controls(truncation_psi=0.0, truncation_cutoff=2))
    np.testing.assert_allclose(ws[:2], np.stack([tiny.w_avg] * 2), atol=1e-6)
    np.testing.assert_array_equal(ws[2:], mapped(tiny, 1)[0, 2:])


def test_in_z_truncation_is_the_mappings_own(tiny: Generator) -> None:
    walk = Walk(keyframes=seeds(1, 2), space="z", truncation_psi=Track(times=(0, 1), values=(0.5, 1)))
    z = interpolate(seeds_to_z([1, 2], 16), [0.5], interp="slerp", loop=False)
    latents = [moments[0].latent for moments in Path(tiny, walk).along((t, UNTOUCHED) for t in (0, 0.25, 0.5, 1))]
    np.testing.assert_array_equal(latents[2], tiny.map(np.repeat(z, 4, axis=0), None, 0.75)[0])
    np.testing.assert_array_equal(latents[2], latent_at(Path(tiny, walk), 0.5))


@pytest.mark.parametrize("interp", ["spline", "catmull-rom", "slerp"])
@pytest.mark.parametrize("space", ["w", "z"])
def test_constant_speed_is_within_a_percent_in_w_and_five_where_z_is_mapped(
    tiny: Generator, interp: Interp, space: str
) -> None:
    walk = Walk(keyframes=seeds(1, 2, 3, 4, 5), interp=interp, space="w" if space == "w" else "z", loop=True)
    plain, even = (Path(tiny, replace(walk, constant_speed=speed)) for speed in ("none", "w"))

    def steps(path: Path) -> NDArray[np.float64]:
        points = [moments[0].latent for moments in path.along((t, UNTOUCHED) for t in np.arange(401) / 80)]
        return np.linalg.norm(np.diff(np.stack(points).reshape(401, -1).astype(np.float64), axis=0), axis=1)

    spread = np.abs(steps(even) / np.median(steps(even)) - 1)
    # But for steps across the corners of a slerp, and the mapping's own.
    assert np.sort(spread)[:-5].max() < (0.01 if space == "w" else 0.05)
    assert steps(plain).max() / steps(plain).min() > 1.3
    order = [even._time(0, position) for position in np.linspace(0, 4.99, 100)]
    assert min(np.diff(order)) > 0


def test_constant_speed_in_pictures_evens_out_what_is_seen(tiny: Generator) -> None:
    walk = Walk(keyframes=seeds(1, 2, 3, 4), loop=True, interp="linear")

    def spread(speed: ConstantSpeed) -> float:
        path = Path(tiny, replace(walk, constant_speed=speed))
        latents = np.stack([latent_at(path, position) for position in np.arange(65) / 16])
        pictures = np.concatenate([tiny.synthesize(latents[i : i + 4]) for i in range(0, 65, 4)])
        steps = np.linalg.norm(np.diff(pictures.reshape(65, -1), axis=0), axis=1)
        return float(steps.std() / steps.mean())

    assert spread("picture") < 0.5 * spread("none")


def test_with_easing_constant_speed_rests_at_keyframes(tiny: Generator) -> None:
    walk = Walk(keyframes=seeds(1, 2, 3), constant_speed="w", easing="smooth")
    np.testing.assert_array_equal(latent_at(Path(tiny, walk), 1), mapped(tiny, 2)[0])
    even = latent_at(Path(tiny, replace(walk, easing="none")), 1)
    assert np.abs(even - mapped(tiny, 2)[0]).max() > 1e-3


def test_layers_that_a_walk_leaves_alone_stay_at_its_first_keyframe(tiny: Generator) -> None:
    whole, own = Path(tiny, Walk(keyframes=seeds(1, 2, 3))), mapped(tiny, 1)[0]
    part = latent_at(Path(tiny, Walk(keyframes=seeds(1, 2, 3), layers=(0, 1))), 1.3)
    np.testing.assert_array_equal(part[:2], latent_at(whole, 1.3)[:2])
    np.testing.assert_array_equal(part[2:], own[2:])
    one = (Keyframe(seed=1), Keyframe(seed=2, layers=(5,)), Keyframe(seed=3))
    at_second = latent_at(Path(tiny, Walk(keyframes=one)), 1)
    np.testing.assert_array_equal(at_second[:5], own[:5])
    np.testing.assert_array_equal(at_second[5], mapped(tiny, 2)[0, 5])


def test_seeds_and_latent_files_mix(tiny: Generator, tmp_path: FilePath) -> None:
    rows = mapped(tiny, 7, 8)
    Latents(values=rows, space="w+", generator=tiny.fingerprint).save(tmp_path / "two.npz")
    np.save(tmp_path / "w.npy", rows[:1, 0])
    keyframes = (Keyframe(seed=1), Keyframe(file="two.npz", index=1), Keyframe(file="w.npy"))
    path = Path(tiny, Walk(keyframes=keyframes), folder=tmp_path)
    for position, expected in enumerate(mapped(tiny, 1, 8, 7)):
        np.testing.assert_array_equal(latent_at(path, position), expected)
    with pytest.raises(ValueError, match=r"row 2 of two\.npz, which has the rows 0 to 1"):
        Path(tiny, Walk(keyframes=(Keyframe(seed=1), Keyframe(file="two.npz", index=2))), folder=tmp_path)


def test_what_belongs_to_another_generator_is_named(tiny: Generator, tmp_path: FilePath) -> None:
    alien = Latents(values=mapped(tiny, 7), space="w+", generator="wplus1:ffffffffffffffff")
    alien.save(tmp_path / "alien.npz")
    walk = Walk(keyframes=(Keyframe(seed=1), Keyframe(file="alien.npz")))
    with pytest.raises(LatentMismatchError, match=r"alien\.npz: .*wplus1:ffffffffffffffff"):
        Path(tiny, walk, folder=tmp_path)
    assert Path(tiny, walk, folder=tmp_path, allow_mismatch=True).length == 1
    with pytest.raises(LatentMismatchError, match=r"This walk is for the generator wplus1:ffff.*--allow-mismatch"):
        Path(tiny, Walk(keyframes=seeds(1, 2), generator="wplus1:ffffffffffffffff"))
    direction = DirectionUse(file="alien.npz")
    with pytest.raises(LatentMismatchError, match=r"The direction smile \(alien\.npz\)"):
        Path(tiny, Walk(keyframes=seeds(1, 2), directions={"smile": direction}), folder=tmp_path)


def test_z_files_bring_the_truncation_that_they_wait_for(tiny: Generator, tmp_path: FilePath) -> None:
    for name, psi in (("a", 0.5), ("b", 0.5), ("c", 0.8)):
        z = seeds_to_z([ord(name)], 16)
        Latents(values=z, space="z", truncation_psi=psi).save(tmp_path / f"{name}.npz")
    a, b, c = (Keyframe(file=f"{name}.npz") for name in "abc")
    np.testing.assert_array_equal(
        latent_at(Path(tiny, Walk(keyframes=(a, b)), folder=tmp_path), 0), mapped(tiny, ord("a"), psi=0.5)[0]
    )
    with pytest.raises(ValueError, match=r"truncated differently: 0\.5, 0\.8\. Say one truncation_psi for all"):
        Path(tiny, Walk(keyframes=(a, c)), folder=tmp_path)
    assert Path(tiny, Walk(keyframes=(a, c), truncation_psi=constant(0.6)), folder=tmp_path).length == 1


def test_directions_move_latents_by_their_track_or_by_hand(tiny: Generator, tmp_path: FilePath) -> None:
    step = np.random.RandomState(0).randn(1, 16)
    np.save(tmp_path / "smile.npy", step)
    use = DirectionUse(file="smile.npy", layers=(1, 2), amount=Track(times=(0, 1), values=(0, 2)))
    walk = Walk(keyframes=seeds(1, 2), directions={"smile": use}, truncation_psi=constant(0.7))
    path, plain = Path(tiny, walk, folder=tmp_path), Path(tiny, replace(walk, directions={}))
    moved = latent_at(path, 0.75) - latent_at(plain, 0.75)
    np.testing.assert_allclose(moved[1:3], np.repeat(1.5 * step, 2, axis=0), atol=1e-5)
    assert not moved[[0, 3, 4, 5]].any()
    by_hand = latent_at(path, 0.75, Controls(directions={"smile": -1.0})) - latent_at(plain, 0.75)
    np.testing.assert_allclose(by_hand[1], -step[0], atol=1e-5)
    with pytest.raises(ValueError, match=r"no direction 'age'; it has smile"):
        path.at(0, Controls(directions={"age": 1.0}))


def test_a_plain_network_walks_in_z_and_along_directions_of_it(tmp_path: FilePath) -> None:
    layers = nn.Sequential(nn.ConvTranspose2d(5, 4, 4, 1, 0), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh())
    torch.save({f"main.{name}": value for name, value in layers.state_dict().items()}, tmp_path / "plain.pt")
    with wplus.load(tmp_path / "plain.pt", device="cpu", batch=2) as plain:
        np.save(tmp_path / "age.npy", np.ones((1, 5)))
        use = DirectionUse(file="age.npy", amount=constant(2.0))
        walk = Walk(keyframes=seeds(1, 2), directions={"age": use}, constant_speed="w")
        path = Path(plain, walk, folder=tmp_path)
        np.testing.assert_allclose(latent_at(path, 1), seeds_to_z([2], plain.z_shape)[0] + 2, atol=1e-6)
        assert path.draw(plain, path.at(0.5)).shape == (8, 8, 3)
        with pytest.raises(UnsupportedError, match="Style mixing needs a W space"):
            path.at(0, Controls(mix_seed=1, mix_layers=(0,)))
        with pytest.raises(UnsupportedError, match="no truncation"):
            Path(plain, replace(walk, truncation_psi=constant(0.5)), folder=tmp_path)


def test_a_mix_takes_layers_of_another_seed(tiny: Generator) -> None:
    path = Path(tiny, Walk(keyframes=seeds(1, 2), truncation_psi=constant(0.7)))
    whole, half = (
        latent_at(path, 0, Controls(mix_seed=9, mix_layers=(3, 4), mix_amount=amount)) for amount in (1.0, 0.5)
    )
    own, other = latent_at(path, 0), mapped(tiny, 9, psi=0.7)[0]
    np.testing.assert_allclose(whole[3:5], other[3:5], atol=1e-6)
    np.testing.assert_allclose(half[3:5], (own[3:5] + other[3:5]) / 2, atol=1e-6)
    np.testing.assert_array_equal(whole[[0, 1, 2, 5]], own[[0, 1, 2, 5]])
    with pytest.raises(ValueError, match=r"layers \[6\] are not there; .* has 0 to 5"):
        path.at(0, Controls(mix_seed=9, mix_layers=(6,)))


def test_classes_change_from_keyframe_to_keyframe(conditional: Generator) -> None:
    keyframes = (Keyframe(seed=1, class_index=0), Keyframe(seed=1, class_index=2), Keyframe(seed=1))
    labels, z = np.eye(3, dtype=np.float32), seeds_to_z([1], 16)
    own = [conditional.map(np.repeat(z, 2, axis=0), labels[i : i + 1])[0] for i in range(3)]
    walk = Walk(keyframes=keyframes, class_index=1, interp="linear")
    path = Path(conditional, walk)
    np.testing.assert_array_equal(latent_at(path, 1), own[2])
    np.testing.assert_array_equal(latent_at(path, 2), own[1])
    np.testing.assert_allclose(latent_at(path, 0.5), (own[0] + own[2]) / 2, atol=1e-5)
    in_z = Path(conditional, replace(walk, space="z"))
    between = np.asarray(conditional.map(z, np.array([[0.75, 0, 0.25]], np.float32)))[0]
    np.testing.assert_allclose(latent_at(in_z, 0.25), between, atol=1e-5)
    with pytest.raises(ValueError, match="class is missing"):
        Path(conditional, replace(walk, class_index=None))


def test_stylegan3_is_moved_along_tracks_and_by_hand() -> None:
    with wplus.load(DATA / "golden_sg3t_64.pkl", device="cpu", batch=2) as mover:
        walk = Walk(
            keyframes=seeds(1, 2),
            class_index=0 if mover.c_dim else None,
            translate_x=Track(times=(0, 1), values=(0, 0.5)),
            rotate=constant(10.0),
        )
        path = Path(mover, walk)
        moved = path.at(0.5)[0].transform
        np.testing.assert_array_equal(moved, user_transform(translate=(0.25, 0.0), rotate=10.0))
        by_hand = path.at(0.5, Controls(translate=(0.0, 0.0), rotate=0.0))[0].transform
        np.testing.assert_array_equal(by_hand, np.eye(3))
        assert path.draw(mover, path.at(0.5)).shape == (64, 64, 3)
        anchored = latent_at(Path(mover, replace(walk, anchor=True)), 0.5)
        np.testing.assert_array_equal(anchored[0], mover.w_avg)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rotate": constant(5.0)}, UnsupportedError, "needs StyleGAN3"),
        ({"layers": (6,)}, ValueError, r"layers \[6\] are not there"),
        ({"layers": (1,), "space": "z"}, ValueError, "Layers are chosen in a walk through w"),
        ({"mix": MixUse(seed=1, layers=(17,))}, ValueError, r"layers \[17\] are not there"),
        ({"class_index": 1}, ValueError, "needs none"),
        ({"grid": (2, 1)}, ValueError, "leave 1 per cell"),
    ],
    ids=str,
)
def test_what_the_network_lacks_is_said_at_once(
    tiny: Generator, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Path(tiny, Walk(keyframes=seeds(1, 2), **changes))


def test_noise_moves_pictures_and_other_cells_have_other_noise(tiny: Generator) -> None:
    walk = Walk(keyframes=seeds(1, 1, 1, 1), grid=(2, 1), loop=True, noise=NoiseUse(radii=(2.0,), seed=3))
    path = Path(tiny, walk)
    start, later = (path.draw(tiny, path.at(position)) for position in (0, 0.5))
    assert not np.array_equal(start, later)
    assert not np.array_equal(start[:, :16], start[:, 16:])
    np.testing.assert_array_equal(start, path.draw(tiny, path.at(2)))
    together = list(draw_frames(tiny, (path.at(position) for position in (0, 0.5)), columns=2, rows=1))
    np.testing.assert_array_equal(together[1], later)


def test_noise_that_begins_to_move_in_mid_batch_is_drawn(tiny: Generator) -> None:
    path = Path(tiny, Walk(keyframes=seeds(1, 2)))
    asked = [(0.5, UNTOUCHED), (0.5, Controls(noise_radius=1.0))]
    together = list(draw_frames(tiny, path.along(asked), columns=1, rows=1))
    for frame, (position, controls) in zip(together, asked, strict=True):
        np.testing.assert_array_equal(frame, path.draw(tiny, path.at(position, controls)))


def test_a_description_draws_what_the_configuration_draws(tiny: Generator) -> None:
    config = WalkConfig(w_frames=4, fps=24, truncation_psi=0.7, noise_mode="random", grid=(2, 1))
    path = Path(tiny, config.description([5, 6, 7, 8]))
    assert len(frame_positions(path)) == 5
    for one, other in zip(frames(tiny, [5, 6, 7, 8], config), path_frames(path, frame_positions(path)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_mapped_again(tiny: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(tiny, Walk(keyframes=seeds(1, 2, 3), truncation_psi=Track(times=(0, 1), values=(0.5, 1))))
    controls = Controls(truncation_psi=0.3, mix_seed=4, mix_layers=(1,))
    path.at(0, controls)

    def again(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was mapped again")

    monkeypatch.setattr(tiny, "map", again)
    assert latent_at(path, 1.5, controls).shape == (6, 16)
