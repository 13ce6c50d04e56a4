"""The guard of the page: hosts, origins, the token, and headers that keep a browser from fetching or framing."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content Security Policy: nothing but this server's own files and what the page itself made."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

COOKIE = "henshin-token"

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def hosts_of(host: str, port: int) -> frozenset[str]:
    """Return the values of the header Host that a server bound to this address answers.

    A page of another site may point its own name at this machine (DNS rebinding); its requests carry that name.
    """
    names = set(LOOPBACK) if host in LOOPBACK else {host}
    written = {f"[{name}]" if ":" in name else name for name in names}
    return frozenset({*written, *(f"{name}:{port}" for name in written)})


class Guard:
    """Checks every request. Errors are answers with a line in JSON.

    ``hosts`` None answers to any name: for a server that is bound to all addresses, which needs a ``token``.
    """

    def __init__(self, hosts: frozenset[str] | None, token: str | None) -> None:
        self.hosts = hosts
        self.token = token

    async def __call__(self, request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        """Answer a request, or refuse it."""
        from starlette.responses import JSONResponse, RedirectResponse

        refused = self._problem(request)
        given = request.query_params.get("token")
        response: Response
        if refused is not None:
            response = JSONResponse({"error": refused[1]}, refused[0])
        elif self.token is not None and given is not None and request.method == "GET":
            response = RedirectResponse(request.url.path, 303)  # so that the token leaves the address line
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
        else:
            response = await call(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _problem(self, request: Request) -> tuple[int, str] | None:
        host = request.headers.get("host", "")
        if self.hosts is not None and host.lower() not in self.hosts:
            return 421, f"this server does not answer to the name '{host[:80]}'"
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return 403, "requests of other sites are refused"
        if self.token is not None and not self._is_known(request):
            return 401, "the token is missing or wrong; open the address that henshin ui printed"
        return None

    def _is_known(self, request: Request) -> bool:
        header = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = (request.cookies.get(COOKIE), request.query_params.get("token"), header)
        return any(secrets.compare_digest(one.encode(), (self.token or "").encode()) for one in given if one)
