import pytest

from serve_app.domain.errors import UserError
from serve_app.launch.switch import switched
from serve_app.settings import AccountsSettings, DemoSettings, GatewaySettings, Settings

OFF, ON = Settings(), Settings(accounts=AccountsSettings(database="a.db", sign_up="open"))


def test_what_the_command_does_not_say_stays() -> None:
    assert switched(OFF, None, None) == OFF
    assert switched(ON, None, None) == ON


def test_the_command_turns_accounts_off_and_on() -> None:
    assert switched(ON, "off", None).accounts is None
    assert switched(OFF, "on", None).accounts == AccountsSettings(demo=DemoSettings())
    assert switched(ON, "on", "b.db").accounts == AccountsSettings(database="b.db", sign_up="open", demo=DemoSettings())
    assert switched(ON, None, "b.db").accounts == AccountsSettings(database="b.db", sign_up="open")


def test_settings_that_say_whether_there_is_a_demo_are_heard() -> None:
    for demo in (None, DemoSettings(documents_per_day=7)):
        settings = Settings(accounts=AccountsSettings(demo=demo))
        assert switched(settings, "on", None) == settings


def test_a_demo_that_several_gateways_could_not_count_is_left_out() -> None:
    several = switched(Settings(gateway=GatewaySettings(replicas=2)), "on", None)
    assert several == Settings(gateway=GatewaySettings(replicas=2), accounts=AccountsSettings())


@pytest.mark.parametrize("accounts", [None, "off"])
def test_a_database_for_no_accounts_is_refused(accounts: None) -> None:
    with pytest.raises(UserError, match="--database says where accounts are, and they are off"):
        switched(OFF, accounts, "b.db")
