"""LPIPS from files with made-up weights, against the formula written another way."""

import hashlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wplus.errors import ArtifactError, UnsupportedError
from wplus.inversion import perceptual
from wplus.inversion.losses import make_loss
from wplus.inversion.perceptual import load_lpips, reduced

_WIDTHS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)
_Files = tuple[Path, Path, tuple[str, str]]


def _layers() -> nn.Sequential:
    """VGG16's features, as torchvision names them, up to the last that LPIPS sees."""
    layers: list[nn.Module] = []
    channels = 3
    for width in _WIDTHS:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> _Files:
    """A backbone, heads, and how their checksums begin."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("lpips")
    backbone, heads = folder / "vgg16.pth", folder / "vgg.pth"
    tensors = {f"features.{name}": value.detach() * 1.5 for name, value in _layers().named_parameters()}
    torch.save(tensors | {"classifier.0.bias": torch.zeros(8)}, backbone)
    widths = (64, 128, 256, 512, 512)
    torch.save({f"lin{n}.model.1.weight": torch.rand(1, width, 1, 1) for n, width in enumerate(widths)}, heads)
    return backbone, heads, (_digest(backbone)[:8], _digest(heads))


def _load(files: _Files, *, largest: int | None = 256) -> perceptual.Lpips:
    backbone, heads, checksums = files
    return load_lpips(backbone, heads=heads, checksums=checksums, largest=largest)


def _by_definition(files: _Files, img: Tensor, target: Tensor) -> Tensor:
    """Zhang et al. 2018, eq. 1: over layers, the mean over pixels of the weighted squares of unit features."""
    layers, heads = _layers(), torch.load(files[1], weights_only=True)
    stored = torch.load(files[0], weights_only=True)
    layers.load_state_dict({n.removeprefix("features."): t for n, t in stored.items() if n.startswith("features.")})
    layers.to(img.dtype)
    # ImageNet's mean 0.485, 0.456, 0.406 and deviation 0.229, 0.224, 0.225 of [0, 1], in [-1, 1] to three digits.
    mean, std = ([-0.03, -0.088, -0.188], [0.458, 0.448, 0.45])
    pictures = torch.cat([img, target])
    x = torch.stack([(pictures[:, n] - mean[n]) / std[n] for n in range(3)], dim=1)
    total = torch.zeros(len(img), dtype=img.dtype)
    for number, layer in enumerate(layers):
        x = layer(x)
        if number in (3, 8, 15, 22, 29):
            ours, theirs = F.normalize(x, dim=1, eps=1e-10).chunk(2)
            line = heads[f"lin{(3, 8, 15, 22, 29).index(number)}.model.1.weight"].to(img.dtype)
            total = total + ((ours - theirs) ** 2 * line.reshape(1, -1, 1, 1)).sum(1).mean(dim=(1, 2))
    return total


def _pair(height: int = 32, width: int = 32, channels: int = 3) -> tuple[Tensor, Tensor]:
    return torch.rand(2, channels, height, width) * 2 - 1, torch.rand(2, channels, height, width) * 2 - 1


def test_it_is_the_published_formula_forward_and_backward(files: _Files) -> None:
    img, target = (picture.double() for picture in _pair(33, 48))
    img.requires_grad_()
    ours, theirs = _load(files)(img, target, None), _by_definition(files, img, target)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)
    (grad,), (expected,) = torch.autograd.grad(ours.sum(), img), torch.autograd.grad(theirs.sum(), img)
    assert (grad - expected).norm() < 1e-9 * expected.norm()


def test_equal_pictures_are_at_distance_0_with_a_finite_gradient(files: _Files) -> None:
    lpips, (img, target) = _load(files), _pair()
    assert not lpips(target, target, None).any()
    flat = torch.zeros_like(img, requires_grad=True)
    assert torch.isfinite(torch.autograd.grad(lpips(flat, target, None).sum(), flat)[0]).all()


def test_features_that_are_0_have_a_finite_gradient(files: _Files) -> None:
    lpips, (img, target) = _load(files), _pair()
    lpips._blocks[0][1][1].fill_(-1e3)  # nothing passes the second convolution
    img.requires_grad_()
    assert torch.isfinite(torch.autograd.grad(lpips(img, target, None).sum(), img)[0]).all()


def test_gray_is_rgb_without_colour(files: _Files) -> None:
    lpips, (img, target) = _load(files), _pair(channels=1)
    colours = [picture.repeat(1, 3, 1, 1) for picture in (img, target)]
    torch.testing.assert_close(lpips(img, target, None), lpips(*colours, None))


def test_what_weighs_nothing_has_no_say(files: _Files) -> None:
    lpips, (img, target) = _load(files), _pair()
    weight = torch.zeros(2, 1, 32, 32)
    weight[..., :16] = 0.5
    other = img.clone()
    other[..., 16:] = 0
    torch.testing.assert_close(lpips(img, target, weight), lpips(other, target, weight))
    assert (lpips(img, target, weight) > 0).all()


def test_larger_pictures_are_reduced_by_area(files: _Files) -> None:
    img, target = _pair(64, 128)
    torch.testing.assert_close(
        _load(files, largest=32)(img, target, None),
        _load(files, largest=None)(F.avg_pool2d(img, 2), F.avg_pool2d(target, 2), None),
    )
    assert reduced(img, 48).shape == (2, 3, 48, 96)
    assert reduced(img, 64) is img
    torch.testing.assert_close(reduced(img, 16), F.interpolate(img, size=(16, 32), mode="area"))


def test_tiny_pictures_and_other_channels_are_refused(files: _Files) -> None:
    with pytest.raises(ValueError, match=r"15x32 pixels; LPIPS needs 16x16. Use another loss"):
        _load(files)(*_pair(32, 15), None)
    with pytest.raises(ValueError, match=r"4 channels; LPIPS compares 1 \(gray\) or 3 \(RGB\)"):
        _load(files)(*_pair(channels=4), None)


def test_any_other_vgg16_is_refused(files: _Files) -> None:
    backbone, heads, (_, checksum) = files
    with pytest.raises(
        ArtifactError, match=r"not the file that LPIPS was made with: .* not with 397923af. Get it anew: https"
    ):
        load_lpips(backbone, heads=heads, checksums=(perceptual.CHECKSUMS[0], checksum))


@pytest.mark.parametrize("content", ["nothing", "text", "a list", "other tensors", "other shapes"])
def test_a_file_with_the_right_sum_and_wrong_content_is_refused(files: _Files, tmp_path: Path, content: str) -> None:
    path = tmp_path / "vgg16.pth"
    if content in ("nothing", "text"):
        path.write_text("" if content == "nothing" else "weights")
    else:
        names = {
            "a list": [1],
            "other tensors": {"a": torch.ones(1)},
            "other shapes": {"features.0.weight": torch.ones(1)},
        }
        torch.save(names[content], path)
    with pytest.raises(
        ArtifactError, match=r"vgg16.pth(: features.0.weight is| cannot be read| holds no named tensors)"
    ):
        load_lpips(path, heads=files[1], checksums=(_digest(path), files[2][1]))


def test_without_the_package_it_says_what_to_get_and_where(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "find_spec", lambda _: None)
    with pytest.raises(UnsupportedError, match=r"pip install --no-deps lpips==0.1.4") as error:
        make_loss("pixel + lpips")
    assert str(own_cache / "wplus" / "lpips") in str(error.value)


def test_both_files_are_found_where_they_are_said_to_be(
    files: _Files, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lpips"
    (package / "weights" / "v0.1").mkdir(parents=True)
    (package / "weights" / "v0.1" / "vgg.pth").write_bytes(files[1].read_bytes())
    (package / "__init__.py").write_text("raise AssertionError('this is not run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(
        UnsupportedError, match=r"wplus does not download: get vgg16-397923af.pth .*/vgg16-397923af.pth"
    ):
        load_lpips(checksums=files[2])
    for place in (tmp_path / "hub" / "checkpoints", own_cache / "wplus" / "lpips"):
        place.mkdir(parents=True)
        (place / perceptual.BACKBONE).write_bytes(files[0].read_bytes())
        img, target = _pair()
        torch.testing.assert_close(load_lpips(checksums=files[2])(img, target, None), _load(files)(img, target, None))
        (place / perceptual.BACKBONE).unlink()


def test_a_file_that_was_named_and_is_missing_says_so(files: _Files, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"none.pth, which does not exist. The backbone is vgg16-397923af.pth"):
        load_lpips(tmp_path / "none.pth", heads=files[1], checksums=files[2])
