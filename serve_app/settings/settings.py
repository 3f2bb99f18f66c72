"""Every option of the service, in named groups.

A value comes from the Serve config file's `args` (or the command line), else from the environment
(`RAYRANK_<GROUP>__<NAME>`, such as RAYRANK_HTTP__TIMEOUT_S; JSON for lists), else from the default here. The defaults
suit two cores. A variable that is named so and is no setting is refused. A group is read once and handed on whole to
the room that it is for.
"""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from serve_app.settings.accounts import AccountsSettings, LimitSettings
from serve_app.settings.group import Name
from serve_app.settings.models import ModelSettings
from serve_app.settings.serving import GatewaySettings, HttpSettings, QueueSettings, ShardingSettings
from serve_app.settings.telemetry import TelemetrySettings
from serve_app.settings.variables import DELIMITER, ENV_PREFIX, require_known


def _is_on(accounts: Any) -> bool:
    return str(accounts).lower() in {"on", "true"}


class Settings(BaseSettings):
    """The whole service."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter=DELIMITER, extra="forbid", frozen=True, protected_namespaces=()
    )

    models: Annotated[tuple[ModelSettings, ...], Field(min_length=1, description="The first is the default.")] = (
        ModelSettings(),
    )
    http: HttpSettings = HttpSettings()
    gateway: GatewaySettings = GatewaySettings()
    sharding: ShardingSettings = ShardingSettings()
    queue: QueueSettings = QueueSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    accounts: Annotated[
        AccountsSettings | None, Field(description="off: whoever reaches the server may ask, and nothing is charged.")
    ] = None

    results: Annotated[
        Name, Field(description="Folder of measured results, which models' pages show: `rayrank eval --publish`.")
    ] = ".rayrank/results"

    @field_validator("accounts", mode="before")
    @classmethod
    def _off(cls, accounts: Any) -> Any:
        """`off`, which YAML 1.1 takes for false."""
        return None if str(accounts).lower() in {"off", "false"} else accounts

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[Any, ...]:
        """Take `accounts: on` for the group as the rest of the settings has it, and not in its place."""
        assert isinstance(env_settings, EnvSettingsSource)
        variables = dict(env_settings.env_vars)
        switch = f"{ENV_PREFIX}ACCOUNTS".lower()
        on_here = _is_on(variables.get(switch))
        if on_here:
            del variables[switch]
            env_settings.env_vars = variables

        def given() -> dict[str, Any]:
            found = init_settings()
            return found | {"accounts": {}} if _is_on(found.get("accounts")) else found

        def environment() -> dict[str, Any]:
            require_known(variables, settings_cls)
            return ({"accounts": {}} if on_here else {}) | env_settings()

        return given, environment

    @model_validator(mode="after")
    def _limits_are_shared(self) -> Self:
        gateways = self.gateway.max_replicas or self.gateway.replicas
        accounts = self.accounts
        if accounts and gateways > 1 and accounts.limits_store is None:
            for name, limited in (("limits", accounts.limits != LimitSettings()), ("demo", accounts.demo is not None)):
                if limited:
                    raise ValueError(f"accounts.{name} with {gateways} gateways needs accounts.limits_store (Redis)")
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for place, model in enumerate(self.models):
            if (step := model.engine.max_step_tokens) and self.queue.max_tokens < step:
                limit = f"queue.max_tokens ({self.queue.max_tokens})"
                raise ValueError(f"models[{place}].engine.max_step_tokens ({step}) must not be above {limit}")
        return self

    @property
    def most_cpus(self) -> float:
        """CPU cores that Ray reserves when all that may run does."""
        gateways = (self.gateway.max_replicas or self.gateway.replicas) * self.gateway.cpus
        return gateways + sum(model.scaling.most_replicas * model.scaling.cpus for model in self.models)
