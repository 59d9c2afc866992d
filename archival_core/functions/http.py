"""HTTP-triggered functions."""

from __future__ import annotations

import json

import azure.functions as func


def blueprint() -> func.Blueprint:
    """`health_live` and `health_ready`, anonymous: what a load balancer or a deployment asks."""
    http = func.Blueprint()  # type: ignore[no-untyped-call]

    @http.route(route="health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def health_live(req: func.HttpRequest) -> func.HttpResponse:
        return _json({"status": "ok"}, 200)

    @http.route(route="health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def health_ready(req: func.HttpRequest) -> func.HttpResponse:
        from archival_core import runtime
        from archival_core.errors import SettingsError
        from archival_core.flows import readiness

        try:
            answers = await readiness.check(runtime.get().probes())
        except SettingsError:
            # which setting it is stands in the log of every other function; an anonymous caller is not told
            answers = {"settings": False}
        ready = all(answers.values())
        checks = {name: "ok" if answer else "failed" for name, answer in answers.items()}
        return _json({"status": "ok" if ready else "failed", "checks": checks}, 200 if ready else 503)

    return http


def _json(body: dict[str, object], status: int) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status, mimetype="application/json")
