from tests.cli.ledgers import Commands

EMAIL = "ada@example.org"


def test_a_reference_is_granted_once(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL, "--welcome", "0")
    grant = ["credits", "grant", EMAIL, "2.5", "--reference", "invoice 7", "--note", "paid"]
    first, again = commands.record(*grant), commands.record(*grant)
    assert (first["balance_usd"], first["again"]) == ("2.5", False)
    assert again == first | {"again": True}
    listed = {"at": first["at"], "usd": "2.5", "reference": "invoice 7", "note": "paid"}
    assert commands.records("credits", "list", EMAIL) == [listed]
    assert "has been used for another grant" in commands.refused(
        "credits", "grant", EMAIL, "3", "--reference", "invoice 7"
    )


def test_grants_without_a_reference_are_told_apart(commands: Commands) -> None:
    commands.said("accounts", "create", EMAIL, "--welcome", "0")
    references = {commands.record("credits", "grant", EMAIL, "1")["reference"] for _ in range(2)}
    assert len(references) == 2
    assert commands.record("accounts", "show", EMAIL)["balance_usd"] == "2"
