"""The GraphiQL page: its built files under a strict policy, and the tabs it opens with."""

import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# Monaco writes its colors into style elements, hence 'unsafe-inline' for styles; its icon font is a data: address.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "worker-src 'self'",
        "connect-src 'self'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_SECURITY_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE_HEADERS: Final = _SECURITY_HEADERS | {"Cache-Control": "no-store"}
_ASSET_HEADERS: Final = _SECURITY_HEADERS | {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
}
_TABS_SLOT: Final = '<script type="application/json" id="default-tabs">{}</script>'
_VERSION_SLOT: Final = '<meta name="registry-version" content="{}" />'
_NOT_BUILT: Final = "The GraphiQL page is not built. `make graphiql` builds it; the API at /graphql works without it.\n"


def graphiql_routes(dist: Path, documents: Sequence[Path], version: str) -> list[BaseRoute]:
    """Routes for `/graphiql`, `/graphiql/` and `/graphiql/assets/*`.

    `dist` is the folder the page is built into; while it holds no page the answer is 503 with the command that builds
    one. `documents` are the folders whose `.graphql` files the page opens as tabs. All are read at each visit, so a
    build or a new document shows without a restart. `version` is the server's, shown in the page's head.
    """

    def page(_request: Request) -> Response:
        index = dist / "index.html"
        if not index.is_file():
            return PlainTextResponse(_NOT_BUILT, status_code=503, headers=_PAGE_HEADERS)
        content = _fill(index.read_text("utf-8"), [tab for folder in documents for tab in tabs_of(folder)], version)
        return HTMLResponse(content, headers=_PAGE_HEADERS)

    return [
        Route("/graphiql", page, methods=["GET"]),
        Route("/graphiql/", page, methods=["GET"]),
        Mount("/graphiql/assets", _Assets(dist / "assets"), name="graphiql-assets"),
    ]


def tabs_of(folder: Path) -> list[dict[str, str]]:
    """One tab per `.graphql` file of `folder`, in the order of the file names.

    `query` is the file's text, `variables` the text of the `.json` file of the same name where there is one.
    A folder that does not exist has no tabs.
    """
    tabs = []
    for document in sorted(folder.glob("*.graphql")):
        tab = {"query": document.read_text("utf-8")}
        variables = document.with_suffix(".json")
        if variables.is_file():
            tab["variables"] = variables.read_text("utf-8")
        tabs.append(tab)
    return tabs


def _fill(page: str, tabs: list[dict[str, str]], version: str) -> str:
    for slot, empty, value in (
        (_TABS_SLOT, "[]", _script_json(tabs)),
        (_VERSION_SLOT, "", html.escape(version)),
    ):
        if slot.format(empty) not in page:
            raise RuntimeError("The built GraphiQL page is of another version; `make graphiql` builds it anew.")
        page = page.replace(slot.format(empty), slot.format(value))
    return page


def _script_json(value: object) -> str:
    # Inside a script element the parser knows no entities and looks for </script> and <!-- alone.
    return json.dumps(value).replace("<", "\\u003c")


class _Assets(StaticFiles):
    """The page's files, which browsers may keep for ever, for they are named by their content."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)

    async def check_config(self) -> None:
        """Nothing to check: a folder not built yet holds no file, which is 404 and no failure of the server."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or the `.gz` beside it where the request accepts gzip; each has an etag of its own."""
        packed = Path(f"{os.fspath(full_path)}.gz")
        if "gzip" in Headers(scope=scope).get("accept-encoding", "") and packed.is_file():
            response = super().file_response(packed, packed.stat(), scope, status_code)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_ASSET_HEADERS)
        return response
