"""What HAProxy answers by itself, as lines of its configuration and of a script in Lua: errors in the API's form."""

from uuid import uuid4

from serve_app.api.error_form import ErrorForm, retry_after
from serve_app.api.errors import NATIVE, STATUS
from serve_app.api.exchange import REQUEST_ID
from serve_app.api.surface import by_path, error_form
from serve_app.domain.errors import ServiceError
from serve_app.launch.front.config import Refusals

AGAIN_S = 2.0
AWAY = ServiceError(
    "unavailable", "no gateway serves now; the request was not served, and nothing was charged", retry_after_s=AGAIN_S
)
CUT_OFF = ServiceError("unavailable", "the gateway ended before it had answered; ask again", retry_after_s=AGAIN_S)
TOO_SLOW = ServiceError("deadline_exceeded", "the gateway has not answered in time")
MALFORMED = ServiceError("invalid_request", "this is not an HTTP request, or its head is larger than 15 kB")
SLOW_HEAD = ServiceError("deadline_exceeded", "the head of the request did not come in time")
# HAProxy's own status for each thing that it answers by itself.
OF_STATUS = {502: CUT_OFF, 503: AWAY, 504: TOO_SLOW}
IN_LOG_FORMAT = "%[var(txn.request_id)]"
MARK = uuid4().hex  # stands for the request's id while a body is rendered


def refusals() -> Refusals:
    """All of them, in the forms that the API has now."""
    return Refusals(
        defaults=tuple(f"http-error status {status} {_reply(error, NATIVE)}" for status, error in OF_STATUS.items()),
        frontend=tuple(
            f"http-after-response set-status {STATUS[error.code]} if {{ status {status} }}"
            for status, error in OF_STATUS.items()
            if STATUS[error.code] != status
        ),
        away=tuple(_away()),
        script=_script(),
    )


def _away() -> list[str]:
    """A line for each form of errors but ours, and ours for whatever path is left."""
    paths: dict[str, list[str]] = {}
    for path, _ in by_path():
        reply = _reply(AWAY, error_form(path))
        if reply != _reply(AWAY, NATIVE) and "{" not in path:
            paths.setdefault(reply, []).append(path)
    lines = [f"status 503 {reply} if {{ path {' '.join(sorted(each))} }}" for reply, each in paths.items()]
    return [f"http-request return {line}" for line in [*lines, f"status 503 {_reply(AWAY, NATIVE)} if TRUE"]]


def _reply(error: ServiceError, form: ErrorForm) -> str:
    """An answer's type, headers and body as arguments of HAProxy's."""
    _, body, _ = form.rendered(error, MARK)
    headers = retry_after(error) | {REQUEST_ID: IN_LOG_FORMAT}
    named = " ".join(f'hdr {name} "{value}"' for name, value in headers.items())
    text = body.decode().replace("%", "%%").replace("'", "\\u0027").replace(MARK, IN_LOG_FORMAT)
    return f"content-type application/json {named} lf-string '{text}'"


def _script() -> str:
    services = {"malformed": MALFORMED, "slow_head": SLOW_HEAD}
    return LUA + "".join(_service(name, error) for name, error in services.items())


def _service(name: str, error: ServiceError) -> str:
    status, body, _ = NATIVE.rendered(error, "")
    return f'core.register_service("{name}", "tcp", refusal({status}, [==[{body.decode()}]==]))\n'


LUA = f"""-- What HAProxy cannot read never becomes a request, so that its own answer to it cannot be set.
local function refusal(status, body)
  return function(applet)
    local head = {{
      "HTTP/1.1 " .. status .. " Refused",
      "Content-Type: application/json",
      "Content-Length: " .. #body,
      "{REQUEST_ID}: " .. applet.f:uuid(),
      "Connection: close",
    }}
    applet:send(table.concat(head, "\\r\\n") .. "\\r\\n\\r\\n" .. body)
  end
end
"""
