"""Fetches a network over https into the user's cache: resumable, checked, and whole or absent."""

import hashlib
import logging
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import requests
from filelock import FileLock
from tqdm import tqdm

from wplus.cache import cache_folder
from wplus.errors import ArtifactError, CheckpointError

_log = logging.getLogger(__name__)

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_ATTEMPTS = 3
_PIECE = 2**16  # bytes; of a transfer that breaks off, less than this is lost


class _BrokenOff(requests.RequestException):
    """A transfer that may go better if it is tried again."""


def fetch(url: str, *, sha256: str | None = None, cache: Path | None = None) -> Path:
    """The file behind a URL, from the cache if it is there already.

    Args:
        url: https; http is allowed to this machine alone.
        sha256: The file's digest, 64 lower-case hex digits, checked before the file gets its name.
        cache: The folder to keep it in; None: the user's cache folder.

    Raises:
        CheckpointError: the server refuses, the transfer breaks off, or the file is another than `sha256` says.
        ArtifactError: the cache cannot be written.
    """
    _check_scheme(url)
    folder = cache if cache is not None else cache_folder("downloads")
    target = folder / _file_name(url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock")):
            if not target.exists():
                _download(url, target, sha256)
            elif sha256 is not None and (found := _digest(target)) != sha256:
                raise CheckpointError(
                    f"{target} has sha256 {found}; {sha256} was asked for. If the server has a new file, delete it."
                )
    except OSError as exc:
        raise ArtifactError(f"The cache {folder} cannot be written: {exc.strerror or exc}.") from exc
    return target


def without_query(url: str) -> str:
    """The URL without user, query and fragment, which may hold keys that nobody should see in a picture."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise CheckpointError(
        f"{without_query(url)} is not an https URL. Give one, or download the file yourself and give its path."
    )


def _file_name(url: str) -> str:
    """A name that differs for each URL and still says what the file is."""
    base = re.sub(r"[^A-Za-z0-9._-]", "_", unquote(urlsplit(url).path.rpartition("/")[2]))[-80:].lstrip(".")
    return f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{base or 'network'}"


def _download(url: str, target: Path, sha256: str | None) -> None:
    """Fetches into NAME.part, going on where an earlier attempt broke off, and renames it when it is whole."""
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _transfer(url, part)
            break
        except requests.RequestException as exc:
            _log.info("%s: attempt %d of %d: %s", without_query(url), attempt, _ATTEMPTS, _reason(exc))
            if attempt == _ATTEMPTS:
                raise CheckpointError(
                    f"{without_query(url)} could not be fetched: {_reason(exc)}. {_what_is_kept(part)}"
                ) from exc
    if sha256 is not None and (found := _digest(part)) != sha256:
        part.unlink()
        raise CheckpointError(
            f"{without_query(url)} has sha256 {found}; {sha256} was asked for. It is another file and was not kept."
        )
    part.replace(target)
    _tag_file(part).unlink(missing_ok=True)


def _transfer(url: str, part: Path) -> None:
    """One attempt. What arrived stays in `part` whatever happens.

    Raises:
        requests.RequestException: it broke off.
        CheckpointError: the server refuses, sends a web page, or sends the request to a place without https.
    """
    done = part.stat().st_size if part.exists() else 0
    tag = _tag_file(part).read_text() if done and _tag_file(part).exists() else ""
    headers = {"Accept-Encoding": "identity"}  # sizes and ranges are to be those of the file itself
    if tag:  # without one nobody knows whether the file has changed since: then all of it is fetched again
        headers |= {"Range": f"bytes={done}-", "If-Range": tag}
    with requests.Session() as session:
        session.hooks["response"].append(lambda response, *_, **__: _check_redirect(session, response))
        with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            resumes = response.status_code == 206 and bool(tag)
            _check_answer(response, url, part, done if resumes else 0)
            if not resumes:
                part.unlink(missing_ok=True)
                _tag_file(part).write_text(_tag_of(response))
            _save(response, part, done if resumes else 0)


def _check_redirect(session: requests.Session, response: requests.Response) -> None:
    location = session.get_redirect_target(response)
    if location is not None:
        try:
            _check_scheme(urljoin(response.url, location))
        except CheckpointError:
            response.close()
            raise


def _check_answer(response: requests.Response, url: str, part: Path, done: int) -> None:
    status = f"the server answered {response.status_code} {response.reason}"
    if response.status_code == 416 or (
        done and not response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
    ):
        part.unlink(missing_ok=True)
        raise _BrokenOff("the part that was kept does not fit the file")
    if response.status_code >= 500:
        raise _BrokenOff(status)
    if response.status_code not in (200, 206):
        raise CheckpointError(f"{without_query(url)} could not be fetched: {status}.")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise CheckpointError(
            f"{without_query(url)} is a web page, not a checkpoint. Give the address of the file itself."
        )


def _save(response: requests.Response, part: Path, done: int) -> None:
    declared = response.headers.get("Content-Length")
    total = done + int(declared) if declared is not None and declared.isdecimal() else None
    name = part.name.removesuffix(".part").partition("-")[2]
    with (
        part.open("ab" if done else "wb") as stream,
        tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty()) as bar,
    ):
        for piece in response.iter_content(_PIECE):
            stream.write(piece)
            bar.update(len(piece))
    received = part.stat().st_size
    if total is not None and received != total:
        raise _BrokenOff(f"{received:,} of {total:,} bytes arrived")
    if received == 0:
        raise _BrokenOff("the server sent an empty file")


def _tag_file(part: Path) -> Path:
    """Holds what the server calls this version of the file, for If-Range."""
    return part.with_name(f"{part.name}.tag")


def _tag_of(response: requests.Response) -> str:
    """A strong ETag, or the date of the last change; empty when the server gives neither."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _what_is_kept(part: Path) -> str:
    size = part.stat().st_size if part.exists() else 0
    if size and _tag_file(part).exists() and _tag_file(part).read_text():
        return f"{size:,} bytes are kept, and the next attempt goes on there."
    return "The next attempt begins again."


def _reason(exc: requests.RequestException) -> str:
    """What went wrong in a few words, without the URL's query that requests writes into its errors."""
    if isinstance(exc, _BrokenOff):
        return str(exc)
    if isinstance(exc, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(exc, requests.TooManyRedirects):
        return "it redirects without end"
    return "the connection failed or broke off"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
