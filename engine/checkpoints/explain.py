"""What a file is that no reader takes, in one sentence that says what to do."""

import codecs
from typing import Any

from wplus.checkpoints.pickle_machine import shown
from wplus.checkpoints.source import SourceFile

_NEEDED = "A StyleGAN checkpoint (.pkl, .pt, .pth, .safetensors) or a DCGAN state dict (.pt, .pth) is needed."

_MAGIC = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a WebP picture or a sound"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"\xfd7zXZ", "an xz file; unpack it first"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"7z\xbc\xaf", "a 7-zip file; unpack it first"),
    (b"\x93NUMPY", "a numpy array, perhaps latents"),
    (b"GGUF", "a GGUF language model"),
    (b"%PDF", "a PDF"),
)


def explain(file: SourceFile) -> str:
    """Why the file is no checkpoint that can be read."""
    if file.kind == "pickle":
        return _explain_pickle(file.pickle[0])
    if file.kind == "torch":
        return f"It is a torch file without a generator that is known: it holds {_describe(file.torch)}. {_NEEDED}"
    head = file.head.lstrip()
    if head[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "It is a web page, not a checkpoint: the download was answered with a page. Fetch the file itself."
    if head.startswith(b"version https://git-lfs"):
        return "It is a Git LFS pointer, not the file itself. Fetch the file with: git lfs pull."
    for magic, what in _MAGIC:
        if file.head.startswith(magic):
            return f"It is {what}. {_NEEDED}"
    if file.head[257:262] == b"ustar":
        return f"It is a tar file; unpack it first. {_NEEDED}"
    if file.head[:1] == b"\x08" and file.head[2:3] in (b"\x12", b"\x3a", b"\x42"):  # protobuf of a ModelProto
        return f"It is an ONNX graph. In Python, wplus.wrap draws one from z to picture. {_NEEDED}"
    if _is_text(file.head):
        return f"It is a text file. {_NEEDED}"
    return f"It is of no kind that is known; it begins with {file.head[:8].hex(' ')}. {_NEEDED}"


def _explain_pickle(content: Any) -> str:
    return f"It is a pickle without a network of NVIDIA's: it holds {_describe(content)}. {_NEEDED}"


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        keys = ", ".join(shown(key) for key in list(content)[:6])
        return f"a dict with {len(content):,} entries ({keys}{', ...' if len(content) > 6 else ''})"
    return f"a {type(content).__name__}"


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the head may end inside a character
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
