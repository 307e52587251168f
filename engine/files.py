"""Files and folders that are either whole or absent."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wplus.errors import ArtifactError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to: renamed to `path` when the block ends well, removed when it does not.

    Missing folders are made. The temporary name keeps the suffix, so that libraries which look at it agree.

    Raises:
        ArtifactError: the folder cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path` to write to: renamed when the block ends well, removed when it does not.

    Raises:
        ArtifactError: `path` exists, its parent cannot be made or written to, or the disk is full.
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise ArtifactError(f"{path} exists already. Remove it, or name another folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as exc:
        raise _cannot_write(path, exc) from exc
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(path)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_folder(path: str | Path) -> Path:
    """The folder `path`, made if it is missing and proved writable.

    Raises:
        ArtifactError: it cannot be made, is a file, or cannot be written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise ArtifactError(f"The folder {folder} cannot be written to: {_reason(exc)}.") from exc
    return folder


def _cannot_write(path: Path, exc: OSError) -> ArtifactError:
    return ArtifactError(f"{path} could not be written: {_reason(exc)}. Nothing of it was left behind.")


def _reason(exc: OSError) -> str:
    if isinstance(exc, FileExistsError):
        return f"{exc.filename} is a file, where a folder is needed"
    return exc.strerror or str(exc)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
