"""What capped keys spend in a day or a month."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, tuple_

from serve_app.accounts.ledger.operations import HoldOrder
from serve_app.accounts.storage.database import adding_up
from serve_app.accounts.storage.tables import spending
from serve_app.domain.errors import ServiceError
from serve_app.domain.price import format_usd


@dataclass(slots=True)
class _Spent:
    """Of one key in one period. more_*: by how much it changes in this transaction."""

    spent: int = 0
    held: int = 0
    more_spent: int = 0
    more_held: int = 0


class Spending:
    """What the capped keys among some holds have spent, inside a transaction that has locked their accounts."""

    def __init__(self, connection: Connection, orders: Sequence[HoldOrder]) -> None:
        self._connection = connection
        wanted = {(order.key, order.period) for order in orders if order.period}
        self._found = {place: _Spent() for place in wanted}
        if wanted:
            at = tuple_(spending.c.key_id, spending.c.period)
            columns = (spending.c.key_id, spending.c.period, spending.c.spent, spending.c.held)
            for key, period, spent, held in connection.execute(select(*columns).where(at.in_(sorted(wanted)))):
                self._found[key, period] = _Spent(spent, held)

    def refusal(self, order: HoldOrder) -> ServiceError | None:
        """Why a key may not spend this, too."""
        if order.cap is None or order.period is None:
            return None
        so_far = self._found[order.key, order.period]
        if so_far.spent + so_far.held + order.amount <= order.cap:
            return None
        span = "month" if len(order.period) == len("2026-11") else "day"
        held = f"; its requests in work hold ${format_usd(so_far.held)}" if so_far.held else ""
        message = (
            f"the request can cost up to ${format_usd(order.amount)}; the key may spend ${format_usd(order.cap)} "
            f"a {span} and has spent ${format_usd(so_far.spent)} in {order.period}{held}"
        )
        return ServiceError("insufficient_credit", message)

    def hold(self, order: HoldOrder, amount: int) -> None:
        """Hold this much more, or less."""
        if order.period:
            found = self._found[order.key, order.period]
            found.held += amount
            found.more_held += amount

    def spend(self, key: str, period: str | None, amount: int) -> None:
        """Spend this much more, or less."""
        if period:
            found = self._found[key, period]
            found.spent += amount
            found.more_spent += amount

    def write(self) -> None:
        """Write what has changed."""
        rows = [
            {"key_id": key, "period": period, "spent": each.more_spent, "held": each.more_held}
            for (key, period), each in self._found.items()
            if each.more_spent or each.more_held
        ]
        if rows:
            kind = self._connection.dialect.name
            self._connection.execute(adding_up(kind, spending, ("spent", "held")), rows)
