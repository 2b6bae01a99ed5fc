"""Uses the client that was generated in Python: `client.py ADDRESS KEY` prints what it found."""

import json
import sys
from datetime import UTC, datetime

from sluicegate_api import AuthenticatedClient
from sluicegate_api.api.events import send_events
from sluicegate_api.api.items import get_item, put_item
from sluicegate_api.api.recommend import recommend
from sluicegate_api.models import ItemAccepted, ItemFacts, ProblemDocument, SentEvent, Slate

address, key = sys.argv[1:]
with AuthenticatedClient(base_url=address, token=key, prefix="", auth_header_name="X-API-Key") as client:

    def event(number: int) -> SentEvent:
        now = datetime.now(UTC)
        return SentEvent("purchase", "ann", now, item_id="tea", event_id=f"python-{number}")

    sent = send_events.sync(client=client, body=[event(1), event(2)])
    put = put_item.sync("tea/green", client=client, body=ItemFacts(category="tea", price=9.5))
    known = get_item.sync("item-1", client=client)
    slate = recommend.sync("user-1", client=client, n=3)
    missing = get_item.sync("no/such", client=client)
    invalid = recommend.sync("user-1", client=client, n=0)

assert isinstance(put, ItemAccepted)
assert put.item_id == "tea/green"
assert isinstance(slate, Slate)
assert isinstance(missing, ProblemDocument)
assert isinstance(invalid, ProblemDocument)
print(
    json.dumps({
        "accepted": sent.accepted,
        "items": len(slate.items),
        "put": put.outcome,
        "category": known.category,
        "missing": missing.status,
        "invalid": invalid.status,
    })
)
