import re

from serve_app.api.traffic import MINUTE_S
from tests.api.in_memory_accounts import ADMIN_KEY
from tests.api.word_overlap import MODEL
from tests.web.visiting import Visitor, visiting


async def tables(visitor: Visitor) -> list[list[str]]:
    """The first cells of each chart's table."""
    page = await visitor.get("/status?part=live")
    assert page.status_code == 200
    assert f'<th scope="row">{MODEL}' in page.text
    figures = re.findall(r"<figure.*?</figure>", page.text, re.DOTALL)
    return [re.findall(r"<tr><th>(.*?)</th>", each) for each in figures]


async def test_charts_are_of_models_that_were_asked_and_their_tables_of_the_minutes_in_which() -> None:
    async with visiting() as visitor:
        await visitor.sign_in(ADMIN_KEY)
        assert await tables(visitor) == []
        traffic = visitor.app.state.traffic
        traffic.started -= 30 * MINUTE_S
        traffic.record(MODEL, 200, 0.1, 100, 2)
        throughput, latency = await tables(visitor)
        assert len(throughput) == 1
        assert throughput == latency
