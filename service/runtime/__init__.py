"""Tools of one process that know nothing of recommendation."""

from service.runtime.circuit_breaker import Breaker
from service.runtime.rate_limit import RateLimit
from service.runtime.short_turns import take_short_turns
from service.runtime.tasks import cancel_and_wait
from service.runtime.telemetry import SERVED_BY, Telemetry

__all__ = ["SERVED_BY", "Breaker", "RateLimit", "Telemetry", "cancel_and_wait", "take_short_turns"]
