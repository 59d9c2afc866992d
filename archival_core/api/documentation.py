"""`GET /openapi.json`, and `GET /docs`: the same as a page for people, rendered here: no script, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

router = APIRouter(include_in_schema=False)

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem } summary { cursor: pointer; padding: .3rem 0 } code, pre { font-size: .9rem }
details { border-top: 1px solid #8886 } pre { overflow-x: auto; padding: .75rem; background: #8882 }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600 } td, th { text-align: left; padding: .1rem 1rem .1rem 0 }
td { vertical-align: top }
"""


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The description of the API for programs."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every operation with its parameters, an example and its answers."""
    return HTMLResponse(_page(request.app.openapi()), headers={"Content-Security-Policy": _POLICY})


def _page(document: dict[str, Any]) -> str:
    sections = []
    for tag in document["tags"]:
        found = [
            _operation(method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation.get("tags", [])
        ]
        if found:
            sections.append(f"<h2>{escape(tag['name'])}</h2><p>{_prose(tag['description'])}</p>{''.join(found)}")
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1><p>{_prose(document['info']['description'])}</p>"
        f"<p>The same for programs: <code>/api/openapi.json</code></p>{''.join(sections)}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}<td>{_prose(p.get('description', ''))}"
        for p in operation.get("parameters", [])
    )
    parameters = f"<table><tr><th>parameter<th>in<th>meaning{rows}</table>" if rows else ""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = "".join(
        f"<p>{_prose(example.get('summary', name))}</p><pre>{escape(json.dumps(example['value'], indent=2))}</pre>"
        for name, example in body.get("examples", {}).items()
    )
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{_prose(told['description'])}"
        for status, told in operation["responses"].items()
    )
    return (
        f'<details><summary><span class="method">{method.upper()}</span> <code>{escape(path)}</code></summary>'
        f"<p>{_prose(operation.get('description', ''))}</p>"
        f"{parameters}{examples}<table><tr><th>answer<th>when{answers}</table></details>"
    )


def _prose(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
