"""Consumed records in; which were accepted, erased or held back, and how far each partition was read, out."""

from models.ledger.admission import RING, Admission, AdmissionRules, Arrivals, id_hash
from models.ledger.erasures import Entry, Erasures, Receipt, user_hash
from models.ledger.progress import Piece, Progress, Quarantined

__all__ = [
    "RING",
    "Admission",
    "AdmissionRules",
    "Arrivals",
    "Entry",
    "Erasures",
    "Piece",
    "Progress",
    "Quarantined",
    "Receipt",
    "id_hash",
    "user_hash",
]
