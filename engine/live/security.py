"""Who may talk to the server: this machine's browsers alone, or whoever has the token."""

import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PUBLIC: Final = "/static/"  # the pages' code, which says nothing about the show

# Nothing from elsewhere is loaded, nothing of ours is shown elsewhere, and no address with a token is passed on.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """The rules of one server. Without a token it is for this machine alone, by any of its own names."""

    token: str | None = None

    def refusal(self, scope: Scope) -> str | None:
        """Why a request is refused, as a sentence; None: it is let in."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.token is None and not is_loopback(_name(host)):
            # A page elsewhere whose name was made to point here would pass the check of the origin.
            return "This server is for this machine alone; open it as http://localhost."
        if scope["type"] == "websocket" and not _is_own_origin(headers.get("origin"), host):
            return "Another site's page asked; only this server's own pages may."
        if self.token is None or scope["path"].startswith(_PUBLIC):
            return None
        given = QueryParams(scope["query_string"]).get("token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "The address lacks its token, ?token=..., which wplus live printed when it started."
        return None


class Guard:
    """ASGI: lets in what the rules allow, and puts headers on what goes out."""

    def __init__(self, app: ASGIApp, security: Security) -> None:
        self._app = app
        self._security = security

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        refusal = self._security.refusal(scope)
        if refusal is None:
            return await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)
        if scope["type"] == "http":
            return await PlainTextResponse(f"{refusal}\n", 403)(scope, receive, send)
        await receive()
        return await send({"type": "websocket.close", "code": 1008, "reason": refusal[:100]})


def _with_headers(send: Send) -> Send:
    extra = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return sending


def _is_own_origin(origin: str | None, host: str) -> bool:
    """Whether a page of this server asks. A program that is no browser sends no origin; a browser always does."""
    if origin is None:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
