"""Measurement operators: adjoints, what they measure, what they are made from, and what is refused."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from wplus.errors import ArtifactError
from wplus.inversion.linear_maps import Shape
from wplus.inversion.operators import Operator, make_operator

SHAPES = [(1, 7, 5), (3, 5, 8), (3, 9, 9)]
TEXTS = [
    "identity",
    "grey",
    "mask:0.3",
    "mask:mask.png",
    "down:1",
    "down:2",
    "down:3",
    "bicubic:2",
    "bicubic:3",
    "blur:0.3",
    "blur:1.7",
    "blur:5",
    "crop:1,2,3,2",
    "matrix:joined.npy",
    "matrix:each.npz",
    "matrix:csr.npz",
    "matrix:csc.npz",
    "matrix:coo.npz",
    "coded:11",
    "coded:masks.npy",
]


def _sparse(layout: str, dense: Any) -> dict[str, Any]:
    """What scipy's save_npz writes."""
    row, column = np.nonzero(dense)
    arrays = {"format": np.array(layout.encode()), "shape": np.array(dense.shape), "data": dense[row, column]}
    if layout == "coo":
        return arrays | {"row": row.astype(np.int32), "col": column.astype(np.int32)}
    outer, inner, count = (row, column, dense.shape[0]) if layout == "csr" else (column, row, dense.shape[1])
    order = np.lexsort((inner, outer))
    starts = np.searchsorted(outer[order], np.arange(count + 1)).astype(np.int32)
    return arrays | {"indices": inner[order].astype(np.int32), "indptr": starts, "data": dense[row, column][order]}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Shape], Operator]:
    """Makes an operator, in a folder with files that fit."""
    monkeypatch.chdir(tmp_path)

    def made(text: str, shape: Shape) -> Operator:
        random = np.random.RandomState(0)
        channels, height, width = shape
        Image.fromarray((random.rand(height, width) > 0.5).astype(np.uint8) * 255).save("mask.png")
        np.save("joined.npy", random.randn(6, channels * height * width))
        np.savez("each.npz", random.randn(4, height * width).astype(np.float32))
        np.save("masks.npy", random.rand(5, height, width) > 0.5)
        few = random.randn(9, channels * height * width) * (random.rand(9, channels * height * width) < 0.2)
        for layout in ("csr", "csc", "coo"):
            np.savez(f"{layout}.npz", **_sparse(layout, few))
        return make_operator(text, img_shape=shape, seed=3)

    return made


def _matrix(operator: Operator) -> Tensor:
    """A, column by column, in float64."""
    count = math.prod(operator.img_shape)
    return operator(torch.eye(count, dtype=torch.float64).view(-1, *operator.img_shape)).flatten(1).T


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("text", TEXTS)
def test_the_adjoint_is_the_transpose(make: Callable[[str, Shape], Operator], text: str, shape: Shape) -> None:
    operator = make(text, shape)
    for batch in (1, 3):
        for dtype, limit in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
            img = torch.randn(batch, *shape, dtype=torch.float64).to(dtype)
            y = torch.randn(batch, *operator.y_shape, dtype=torch.float64).to(dtype)
            measured, back = operator(img), operator.adjoint(y)
            assert (measured.shape, measured.dtype) == (y.shape, dtype)
            assert (back.shape, back.dtype) == (img.shape, dtype)
            one, other = ((a.double() * b.double()).sum().item() for a, b in ((measured, y), (img, back)))
            assert abs(one - other) <= limit * (measured.double().norm() * y.double().norm()).item()


@pytest.mark.parametrize("text", TEXTS)
def test_the_adjoint_gradient_and_row_power_are_those_of_the_dense_matrix(
    make: Callable[[str, Shape], Operator], text: str
) -> None:
    operator = make(text, (3, 5, 8))
    dense = _matrix(operator)
    y = torch.randn(2, *operator.y_shape, dtype=torch.float64)
    expected = (y.flatten(1) @ dense).view(2, 3, 5, 8)
    torch.testing.assert_close(operator.adjoint(y), expected, rtol=1e-10, atol=1e-12)
    img = torch.randn(2, 3, 5, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad((operator(img) * y).sum(), img)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)
    assert operator.row_power == pytest.approx(dense.square().sum(dim=1).mean().item(), rel=1e-6)
    assert operator.num_measurements == len(dense)


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_and_what_was_stored_make_it_again_without_the_file(
    make: Callable[[str, Shape], Operator], text: str
) -> None:
    operator = make(text, (3, 5, 8))
    for name in Path().iterdir():
        name.unlink()
    again = make_operator(operator.spec, img_shape=operator.img_shape, seed=operator.seed, stored=operator.stored)
    torch.testing.assert_close(_matrix(again), _matrix(operator), rtol=0, atol=0)


def test_pictures_out_of_memory_order_are_measured_alike(make: Callable[[str, Shape], Operator]) -> None:
    img = torch.randn(2, 9, 9, 3, dtype=torch.float64).permute(0, 3, 1, 2)
    for text in TEXTS:
        operator = make(text, (3, 9, 9))
        torch.testing.assert_close(operator(img), operator(img.contiguous()), rtol=1e-12, atol=1e-12)


def test_grey_is_the_luma_of_bt_601() -> None:
    img = torch.eye(3).view(3, 3, 1, 1)
    assert make_operator("grey", img_shape=(3, 1, 1))(img).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])


@pytest.mark.parametrize("factor", [2, 3])
def test_down_takes_means(factor: int) -> None:
    img = torch.randn(2, 3, 6, 12)
    expected = F.avg_pool2d(img, factor)
    torch.testing.assert_close(make_operator(f"down:{factor}", img_shape=(3, 6, 12))(img), expected)


def test_down_of_a_side_that_does_not_divide_counts_shares_of_pixels() -> None:
    img = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    img = img.expand(1, 1, 2, 3)
    torch.testing.assert_close(make_operator("down:2", img_shape=(1, 2, 3))(img), torch.full((1, 1, 1, 1), 2.0))
    img = torch.arange(1.0, 6.0).view(1, 1, 1, 5).expand(1, 1, 5, 5)
    row = make_operator("down:2", img_shape=(1, 5, 5))(img)[0, 0, 0]
    torch.testing.assert_close(row, torch.tensor([(1 + 2 + 3 / 2) / 2.5, (3 / 2 + 4 + 5) / 2.5]))


@pytest.mark.parametrize("size", [(8, 12), (9, 13)], ids=str)
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_is_torchs_with_antialiasing(size: tuple[int, int], factor: int) -> None:
    img = torch.randn(2, 3, *size, dtype=torch.float64)
    out = (size[0] // factor, size[1] // factor)
    expected = F.interpolate(img, size=out, mode="bicubic", antialias=True, align_corners=False)
    torch.testing.assert_close(make_operator(f"bicubic:{factor}", img_shape=(3, *size))(img), expected)


@pytest.mark.parametrize("sigma", [0.4, 1.5])
def test_blur_is_a_convolution_with_a_gaussian_of_the_mirrored_picture(sigma: float) -> None:
    img = torch.randn(1, 1, 12, 14, dtype=torch.float64)
    radius = round(4 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma) ** 2)
    kernel = torch.outer(weights, weights) / weights.sum() ** 2
    mirrored = torch.from_numpy(np.pad(img.numpy(), ((0, 0), (0, 0), (radius, radius), (radius, radius)), "symmetric"))
    expected = F.conv2d(mirrored, kernel[None, None])
    torch.testing.assert_close(make_operator(f"blur:{sigma}", img_shape=(1, 12, 14))(img), expected)


def test_a_mask_keeps_its_light_pixels_and_a_crop_its_rectangle(make: Callable[[str, Shape], Operator]) -> None:
    img = torch.randn(1, 3, 5, 8)
    masked = make("mask:mask.png", (3, 5, 8))
    kept = np.asarray(Image.open("mask.png")) > 0
    np.testing.assert_array_equal(masked(img)[0].numpy(), img[0].numpy()[:, kept])
    torch.testing.assert_close(make("crop:2,1,4,3", (3, 5, 8))(img), img[:, :, 1:4, 2:6])


@pytest.mark.parametrize(("fraction", "count"), [("0.1", 10), (".25", 25), ("1", 100), ("1e-5", 1)])
def test_a_random_mask_keeps_that_share(fraction: str, count: int) -> None:
    operator = make_operator(f"mask:{fraction}", img_shape=(3, 10, 10), seed=1)
    assert operator.y_shape == (3, count)
    assert len(torch.unique(operator(torch.arange(100.0).view(1, 1, 10, 10).repeat(1, 3, 1, 1)))) == count


def test_coded_measurements_sum_the_colours_behind_fair_masks_with_rows_of_norm_1() -> None:
    operator = make_operator("coded:64", img_shape=(3, 16, 16), seed=7)
    dense = _matrix(operator).view(64, 3, 256)
    scaled = dense * math.sqrt(3 * 256)
    assert set(scaled.round(decimals=6).unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(dense[:, 0], dense[:, 2])
    torch.testing.assert_close(dense.flatten(1).norm(dim=1), torch.ones(64, dtype=torch.float64))
    assert abs(scaled.mean().item()) < 0.03
    between = (dense.flatten(1) @ dense.flatten(1).T).fill_diagonal_(0)
    assert between.abs().max().item() < 0.35  # 5.6 standard deviations of independent masks


def test_what_is_drawn_depends_on_the_seed_alone_and_few_masks_are_the_first_of_many() -> None:
    one, other = (_matrix(make_operator("coded:8", img_shape=(1, 5, 7), seed=seed)) for seed in (1, 2))
    assert not torch.equal(one, other)
    torch.testing.assert_close(_matrix(make_operator("coded:3", img_shape=(1, 5, 7), seed=1)), one[:3])
    signs = "".join("+" if value > 0 else "-" for value in one[0].tolist())
    assert signs == "++---++----+--+-+-+++-+++--+++-+--+"  # in every version, on every machine
    kept = make_operator("mask:0.1", img_shape=(1, 8, 8), seed=1)(torch.arange(64.0).view(1, 1, 8, 8))
    assert kept.flatten().tolist() == [16.0, 18.0, 34.0, 37.0, 53.0, 61.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gray", "'gray' is no operator. There are identity, grey, mask"),
        ("grey:1", "'grey:1' is no operator"),
        ("down", "'down' is no operator"),
        ("down:0", r"down:0 does not fit pictures of 8x5: a whole factor from 1 to 5 is needed"),
        ("bicubic:6", "a whole factor from 1 to 5 is needed"),
        ("down:2.5", "a whole factor"),
        ("blur:0", "a standard deviation from 0.01 to 8 pixels"),
        ("blur:9", "a standard deviation from 0.01 to 8 pixels"),
        ("blur:nan", "a standard deviation"),
        ("mask:0", "keeps a share of the pixels above 0 and at most 1"),
        ("mask:1.5", "keeps a share"),
        ("crop:0,0,9,1", "goes beyond the picture"),
        ("crop:0,0,0,1", "is empty"),
        ("crop:1,2,3", "crop:LEFT,TOP,WIDTH,HEIGHT"),
        ("coded:0", "from 1 to 53,687,091 masks can be drawn"),
        ("coded:999999999", "from 1 to 53,687,091 masks can be drawn"),
    ],
)
def test_what_makes_no_sense_is_refused_and_says_what_does(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_operator(text, img_shape=(3, 5, 8))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="these have 4"):
        make_operator("grey", img_shape=(4, 5, 8))
    with pytest.raises(ValueError, match="each at least 1"):
        make_operator("grey", img_shape=(3, 0, 8))
    operator = make_operator("grey", img_shape=(3, 5, 8))
    with pytest.raises(ValueError, match=r"img is \[2, 3, 8, 5\]; the operator grey needs \[N, 3, 5, 8\]"):
        operator(torch.zeros(2, 3, 8, 5))
    with pytest.raises(ValueError, match=r"y is \[1, 3, 5, 8\]; the operator grey needs \[N, 1, 5, 8\]"):
        operator.adjoint(torch.zeros(1, 3, 5, 8))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("matrix:x.npy", np.ones((2, 7)), r"the matrix is \[2, 7\]; \[M, 120\] .* or \[M, 40\]"),
        ("matrix:x.npy", np.ones(40), r"the matrix is \[40\]"),
        ("matrix:x.npy", np.full((2, 40), np.nan), "NaN or infinite"),
        ("matrix:x.npy", np.zeros((2, 40)), "is 0 throughout"),
        ("matrix:x.npy", np.ones((2, 40), np.complex64), "real numbers"),
        ("coded:x.npy", np.ones((2, 5, 7)), r"the masks are \[2, 35\]"),
        ("coded:x.npy", np.full((2, 5, 8), 255), "other values than 0 and 1"),
        ("coded:x.npy", np.zeros((0, 5, 8)), "the masks are"),
        ("matrix:x.npz", {"a": np.ones(3), "b": np.ones(3)}, "has the arrays a, b; one array is needed"),
        ("matrix:x.npz", {"data": np.ones(3)}, "no sparse matrix of scipy's layouts"),
        ("matrix:x.npz", _sparse("coo", np.eye(5, 40)) | {"format": np.array(b"bsr")}, "the layout 'bsr'"),
        ("matrix:x.npz", _sparse("coo", np.eye(5, 40)) | {"col": np.arange(5) + 40}, "entries outside its shape"),
        ("matrix:x.npz", _sparse("csr", np.eye(5, 40)) | {"indices": np.arange(4)}, "entries outside its shape"),
        ("matrix:x.npz", _sparse("csr", np.eye(5, 40)) | {"indptr": np.arange(9)}, "does not fit its shape"),
        ("matrix:x.npz", _sparse("csc", np.eye(5, 40)) | {"shape": np.array([5])}, "no sparse matrix"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(content, dict):
        np.savez("x.npz", **content)
    else:
        np.save("x.npy", content)
    with pytest.raises(ValueError, match=message):
        make_operator(name, img_shape=(3, 5, 8))


def test_missing_and_damaged_files_and_masks_of_another_size_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.npy").write_bytes(b"\x93NUMPY")
    Path("x.png").write_bytes(b"\x89PNG")
    np.save("pickled.npy", np.array([{}]), allow_pickle=True)
    for text in ("mask:none.png", "matrix:none.npz", "coded:none.npy"):
        with pytest.raises(ArtifactError, match="does not exist"):
            make_operator(text, img_shape=(3, 5, 8))
    for text in ("mask:x.png", "matrix:x.npy", "coded:x.npy", "matrix:pickled.npy"):
        with pytest.raises(ArtifactError, match="read"):
            make_operator(text, img_shape=(3, 5, 8))
    Image.new("L", (8, 6), 255).save("large.png")
    with pytest.raises(ValueError, match=r"large\.png is 8x6 .*; the picture is 8x5"):
        make_operator("mask:large.png", img_shape=(3, 5, 8))
    Image.new("L", (8, 5), 0).save("dark.png")
    with pytest.raises(ValueError, match="keeps 0 pixels"):
        make_operator("mask:dark.png", img_shape=(3, 5, 8))


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_measured_of_one_grey_picture_sees_no_other_difference(
    text: str, make: Callable[[str, Shape], Operator]
) -> None:
    shape = (3, 5, 8)
    operator = make(text, shape)
    assert (operator.grey is not None) == text.startswith(("grey", "coded"))
    assert make(text, (1, *shape[1:])).grey is None
    if operator.grey is not None:
        img = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        unseen = img - operator.grey.adjoint(operator.grey.forward(img)) / operator.grey.row_power
        assert unseen.abs().max() > 0.1
        torch.testing.assert_close(operator.grey.forward(unseen), torch.zeros(2, 1, *shape[1:], dtype=torch.float64))
        torch.testing.assert_close(operator(img + unseen), operator(img))
