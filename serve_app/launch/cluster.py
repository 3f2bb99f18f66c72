"""The service on a Ray cluster of this machine, for as long as the command runs."""

import os
import threading

from rich.console import Console

from serve_app.domain.errors import UserError
from serve_app.launch.address import Address
from serve_app.launch.first_key import prepare
from serve_app.launch.folder import temporary_folder
from serve_app.launch.haproxy import ADDRESS_HEADER
from serve_app.launch.ingress import Ingress, environment
from serve_app.launch.local_ray import local_ray
from serve_app.launch.preflight import require_memory, require_models
from serve_app.launch.welcome import welcome
from serve_app.settings import Settings

APPLICATION = "rayrank"


def serve_locally(settings: Settings, address: Address, ingress: Ingress, console: Console) -> None:
    """Serve until SIGINT or SIGTERM, then end every process that was started.

    console: where progress is told; the address and a curl line go to standard output. Raises UserError when it cannot
    start.
    """
    (first, *_) = require_models(settings)
    settings = _behind(ingress, settings)
    address.require_free()
    require_memory()
    ready = prepare(settings.accounts, console) if settings.accounts else None
    if ready:
        settings = settings.model_copy(update={"accounts": ready.settings})
    stop = threading.Event()
    with temporary_folder() as folder, console.status("Starting Ray …") as status:
        os.environ.update(environment(ingress, folder))
        cores = max(os.cpu_count() or 1, int(settings.most_cpus) + 1)
        with local_ray(folder, cores, stop):
            status.update("Loading the model …")
            _deploy(settings, address, console)
            status.stop()
            if any(model.engine.simulated for model in settings.models):
                console.print("SIMULATED DEVICE: scores mean nothing", style="bold red")
            if not stop.is_set():
                sleeps = settings.models[0].scaling.sleeps
                pages = settings.http.pages
                print(welcome(first.id, address.url, sleeps=sleeps, pages=pages, ready=ready), flush=True)
            stop.wait()
            status.update("Stopping …")
            status.start()


def _behind(ingress: Ingress, settings: Settings) -> Settings:
    """The settings, reading clients' addresses where this way in writes them, unless they say where."""
    if ingress is not Ingress.HAPROXY or settings.http.client_address_header is not None:
        return settings
    http = settings.http.model_copy(update={"client_address_header": ADDRESS_HEADER})
    return settings.model_copy(update={"http": http})


def _deploy(settings: Settings, address: Address, console: Console) -> None:
    """Start the application and wait until it serves. Raises UserError with the reason that a replica gave."""
    from ray import serve
    from ray.serve.config import HTTPOptions

    from serve_app.app import GATEWAY, build
    from serve_app.serving.failure import FAILED, reason

    serve.start(http_options=HTTPOptions(host=address.host, port=address.port), logging_config={"log_level": "WARNING"})
    try:
        serve.run(build(settings), name=APPLICATION, route_prefix="/")
    except RuntimeError:
        deployments = serve.status().applications[APPLICATION].deployments
        failed = {name: reason(each) for name, each in deployments.items() if each.status in FAILED}
        reasons = "; ".join(failed.values()) or "no replica started"
        if GATEWAY in failed or len(failed) >= len(settings.models):
            raise UserError(f"the model could not be loaded: {reasons}") from None
        console.print(f"rayrank: not all models are served: {reasons}", style="bold red", markup=False)
