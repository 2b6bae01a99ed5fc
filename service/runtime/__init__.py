"""Tools of one process that know nothing of recommendation. `telemetry` is not exported: it loads Prometheus."""

from service.runtime.circuit_breaker import Breaker
from service.runtime.doorkeeper import Doorkeeper, room
from service.runtime.loading import Loading
from service.runtime.rate_limit import RateLimit
from service.runtime.short_turns import take_short_turns
from service.runtime.tasks import cancel_and_wait

__all__ = ["Breaker", "Doorkeeper", "Loading", "RateLimit", "cancel_and_wait", "room", "take_short_turns"]
