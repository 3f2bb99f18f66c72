"""Whether the ledger, and what the clients were told, are of one mind."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from serve_app.accounts.ledger.verify import verify
from serve_app.accounts.storage.tables import accounts, entries
from tests.accounts.crashes.gateways import GatewayProcess
from tests.accounts.crashes.tally import REFUSED, Attempt, Errand, Tally


@dataclass(slots=True)
class Judgement:
    """faults: a line each. undelivered: captures that stand although no answer came through.

    unsure: those of them where the client was told of an error, and the gateway died before it had paid back.
    """

    faults: list[str]
    delivered: int = 0
    captures: int = 0
    refunds: int = 0
    undelivered: int = 0
    unsure: int = 0
    told: int = 0
    spent: int = 0


class Judge:
    def __init__(self, connection: Connection, gateways: Sequence[GatewayProcess]) -> None:
        self._gateways = gateways
        self._written: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        query = select(entries.c.request_id, entries.c.kind, entries.c.amount).where(entries.c.kind != "grant")
        for request_id, kind, amount in connection.execute(query):
            self._written[request_id][kind].append(amount)
        verdict = verify(connection)
        spent = connection.scalar(select(func.sum(accounts.c.granted - accounts.c.balance)))
        self.judgement = Judgement(list(verdict.faults), spent=int(spent or 0))
        if verdict.holds:
            self.judgement.faults.append(f"{verdict.holds} holds are open")

    def judge(self, tally: Tally) -> Judgement:
        judgement = self.judgement
        for errand in tally.errands:
            judgement.faults += [f"{errand.kind}: {fault}; {errand}" for fault in self._faults(errand)]
        asked = {attempt.request_id for errand in tally.errands for attempt in errand.attempts}
        if strange := self._written.keys() - asked:
            judgement.faults.append(f"nobody has sent {strange}")
        judgement.captures = sum(len(found["capture"]) for found in self._written.values())
        judgement.refunds = sum(len(found["refund"]) for found in self._written.values())
        if judgement.told > judgement.spent:
            judgement.faults.append(f"{judgement.told} were told, and {judgement.spent} were charged")
        return judgement

    def _faults(self, errand: Errand) -> Iterator[str]:
        if errand.kind in REFUSED:
            return self._of_refused(errand)
        return self._of_answered(errand) if errand.answers else self._of_unanswered(errand)

    def _of_refused(self, errand: Errand) -> Iterator[str]:
        for attempt in errand.attempts:
            if attempt.request_id in self._written:
                yield "it was refused, and has entries"
            if attempt.status not in {None, REFUSED[errand.kind], 503}:
                yield f"it was not refused with {REFUSED[errand.kind]}"

    def _of_answered(self, errand: Errand) -> Iterator[str]:
        first = errand.answers[0]
        self.judgement.delivered += len(errand.answers)
        self.judgement.told += first.told
        charges = [self._net(attempt) for attempt in self._charged(errand)]
        if charges != [first.told]:
            yield f"it was told {first.told} and charged {charges}"
        if any((each.told, each.results) != (first.told, first.results) for each in errand.answers):
            yield "it was answered in two ways"
        for answer in errand.answers:
            if not answer.replayed and self._amounts(answer) != ([-answer.told], []):
                yield f"{answer.request_id} was answered, and its entries are {self._amounts(answer)}"

    def _of_unanswered(self, errand: Errand) -> Iterator[str]:
        charged = self._charged(errand)
        if len(charged) > 1:
            yield "it was charged twice"
        if errand.kind == "keyed":
            yield "it was never answered"
        self.judgement.undelivered += len(charged)
        for attempt in charged:
            if attempt.status is not None:
                self.judgement.unsure += 1
                if not self._died_after(attempt):
                    yield f"{attempt.request_id} was answered {attempt.status}, and charged"

    def _charged(self, errand: Errand) -> list[Attempt]:
        return [attempt for attempt in errand.attempts if self._net(attempt)]

    def _net(self, attempt: Attempt) -> int:
        return -sum(sum(amounts) for amounts in self._amounts(attempt))

    def _amounts(self, attempt: Attempt) -> tuple[list[int], list[int]]:
        found = self._written.get(attempt.request_id, {})
        return found.get("capture", []), found.get("refund", [])

    def _died_after(self, attempt: Attempt) -> bool:
        """Whether the gateway's life in which it told of an error ended with a kill."""
        return attempt.life <= len(self._gateways[attempt.gateway].deaths)
