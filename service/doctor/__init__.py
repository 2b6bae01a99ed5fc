"""Settings in; findings about them, the machine, Kafka and Redis out."""

from service.doctor.examination import examine
from service.doctor.findings import STATES, Finding

__all__ = ["STATES", "Finding", "examine"]
