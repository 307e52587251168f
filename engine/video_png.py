"""Frames as a folder of numbered PNGs: all of them at the end, or, where a run may be resumed, one by one."""

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from wplus.errors import ArtifactError
from wplus.files import make_folder, whole_file
from wplus.media import Picture, encode_image
from wplus.media_metadata import Metadata, read_metadata
from wplus.video_config import AddFrame, Film

_log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"frame(\d{4,})\.png")
_PNG_END: Final = b"IEND\xaeB`\x82"


@contextmanager
def png_frames(film: Film) -> Iterator[AddFrame]:
    """Takes the frames of a folder: they appear when the block ends well, in place of those that lay there."""
    folder, existed = film.path, film.path.exists()
    make_folder(folder)
    try:
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".frames-"))
        try:

            def add(frame: Picture, number: int) -> None:
                (temporary / _name(number)).write_bytes(encode_image(frame, "png", film.metadata))

            yield add
            _replace_frames(folder, temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except BaseException as exc:
        if not existed:
            folder.rmdir()
        if isinstance(exc, OSError):
            raise ArtifactError(f"Frames could not be written to {folder}: {exc.strerror or exc}.") from exc
        raise


@contextmanager
def png_frames_one_by_one(film: Film) -> Iterator[AddFrame]:
    """Takes frames of a folder: each appears once it is whole, and stays whatever happens after it."""
    make_folder(film.path)

    def add(frame: Picture, number: int) -> None:
        with whole_file(film.path / _name(number)) as temporary:
            temporary.write_bytes(encode_image(frame, "png", film.metadata))

    yield add


def missing_frames(folder: Path, count: int, metadata: Metadata) -> list[int]:
    """The numbers of the frames that a video of `count` lacks; frames of another video are removed from the folder.

    A frame is there if its file is whole and says just `metadata`.
    """
    there: set[int] = set()
    others = 0
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (match := _NAME.fullmatch(path.name)) is None:
            continue
        if int(match[1]) < count and path.name == _name(int(match[1])) and _says(path, metadata):
            there.add(int(match[1]))
        else:
            path.unlink()
            others += 1
    if there or others:
        _log.info("%d of %d frames are there already; %d of another video were removed.", len(there), count, others)
    return [number for number in range(count) if number not in there]


def _name(number: int) -> str:
    return f"frame{number:04d}.png"


def _says(path: Path, metadata: Metadata) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-min(len(_PNG_END), path.stat().st_size), 2)
            return file.read() == _PNG_END and read_metadata(path) == metadata
    except (ArtifactError, OSError):  # damaged, or somebody else's
        return False


def _replace_frames(folder: Path, temporary: Path) -> None:
    """Moves the new frames into the folder, and removes those of an earlier, longer video."""
    for old in folder.iterdir():
        if _NAME.fullmatch(old.name):
            old.unlink()
    number = 0
    while (new := temporary / _name(number)).exists():
        new.rename(folder / new.name)
        number += 1
