"""Consumed records in; which were accepted, erased or held back, and how far each partition was read, out."""

from models.ledger.admission import RING, SLACK, Admission, AdmissionRules, Arrivals, id_hash
from models.ledger.erasures import Entry, Erasures, Receipt, order_time, user_hash
from models.ledger.identities import JOIN_OUTCOMES, Identities, Join, Joined, without_erased
from models.ledger.intake_counts import IntakeCounts
from models.ledger.progress import Piece, Progress, Quarantined, moved

__all__ = [
    "JOIN_OUTCOMES",
    "RING",
    "SLACK",
    "Admission",
    "AdmissionRules",
    "Arrivals",
    "Entry",
    "Erasures",
    "Identities",
    "IntakeCounts",
    "Join",
    "Joined",
    "Piece",
    "Progress",
    "Quarantined",
    "Receipt",
    "id_hash",
    "moved",
    "order_time",
    "user_hash",
    "without_erased",
]
