"""From what a user names (a file, a URL, the demo) to a file on disk."""

import re
from importlib import resources
from pathlib import Path

from wplus.checkpoints.source import SourceFile
from wplus.errors import CheckpointError

_DEMOS = {"demo:portraits": "portraits128.safetensors"}
_URL = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
_KNOWN = "a checkpoint (.pkl, .pt, .pth, .safetensors), an https URL, or demo:portraits"


def open_source(source: str | Path, *, sha256: str | None = None) -> SourceFile:
    """The file that `source` names, fetched if it is a URL and compared with `sha256` if that is given.

    Raises:
        CheckpointError: there is no such file, it is empty, a folder, or another file than `sha256` says.
        ValueError: `sha256` is not 64 hex digits.
    """
    if sha256 is not None:
        sha256 = check_digest(sha256)
    text = str(source)
    if isinstance(source, str) and _URL.match(text):
        from wplus.checkpoints.download import fetch, without_query  # requests takes a while to import

        return SourceFile(fetch(text, sha256=sha256), without_query(text))
    if isinstance(source, str) and text.startswith("demo:"):
        file = SourceFile(_demo(text), text)
    else:
        path = Path(source).expanduser()
        _check_exists(path)
        file = SourceFile(path, path.name)
    if sha256 is not None and file.sha256 != sha256:
        raise CheckpointError(f"{file.name} has sha256 {file.sha256}; {sha256} was asked for. It is another file.")
    return file


def check_digest(sha256: str) -> str:
    """The digest in lower case.

    Raises:
        ValueError: it is not 64 hex digits.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"sha256 is {sha256[:80]!r}; 64 hex digits are needed, as sha256sum prints them.")
    return sha256.lower()


def _demo(name: str) -> Path:
    if name not in _DEMOS:
        raise CheckpointError(f"There is no {name}; known: {', '.join(_DEMOS)}.")
    return Path(str(resources.files("wplus.demo") / _DEMOS[name]))


def _check_exists(path: Path) -> None:
    if (path / "manifest.json").is_file():
        raise CheckpointError(f"{path} is a bundle, and the network itself is needed: the file that it was made from.")
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, and no bundle: it has no manifest.json. Give {_KNOWN}.")
    if not path.exists():
        raise CheckpointError(f"{path} does not exist. Give {_KNOWN}.")
    if not path.is_file():
        raise CheckpointError(f"{path} is no regular file. Give {_KNOWN}.")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty. The download or copy that made it did not finish.")
