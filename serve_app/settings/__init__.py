"""Every option of the service, in named groups; see settings.py here for where values come from."""

from serve_app.settings.accounts import AccountsSettings, DemoSettings, LimitSettings
from serve_app.settings.models import (
    EMBEDDED_MODEL,
    EngineSettings,
    ModelSettings,
    PricingSettings,
    ScalingSettings,
    SimulatedDevice,
)
from serve_app.settings.serving import GatewaySettings, HttpSettings, QueueSettings, ShardingSettings
from serve_app.settings.settings import Settings
from serve_app.settings.telemetry import TelemetrySettings

__all__ = [
    "EMBEDDED_MODEL",
    "AccountsSettings",
    "DemoSettings",
    "EngineSettings",
    "GatewaySettings",
    "HttpSettings",
    "LimitSettings",
    "ModelSettings",
    "PricingSettings",
    "QueueSettings",
    "ScalingSettings",
    "Settings",
    "ShardingSettings",
    "SimulatedDevice",
    "TelemetrySettings",
]
