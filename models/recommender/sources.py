"""Nothing in, the single sources out: what each proposes and how it scores. Candidates and baselines alike. Stage 4.

The formulas run in `models/kernels/retrieval/popularity.py`, `transitions.py`, `candidates.py` and
`factorization.py`. Each
source alone is a contender that is scored on every tested event: the bar for the rankers, and what is served until a
ranker is not below it.
"""

from __future__ import annotations

from typing import NamedTuple


class CandidateSource(NamedTuple):
    """One single source."""

    name: str
    proposes: str
    score: str


SOURCES = (
    CandidateSource("popularity_short", "its 40 best items", "log of the count that halves every 500 events"),
    CandidateSource(
        "popularity_middle", "its 40 best items, and 30 of the last category", "the same, every 5,000 events"
    ),
    CandidateSource("popularity_long", "its 40 best items", "the same, every 100,000 events"),
    CandidateSource("own_recent", "the user's last 128 events", "the latest first"),
    CandidateSource("follows", "30 followers of the last item and of the last but one", "c(last -> j) / (total + 1)"),
    CandidateSource("window", "its 60 best items", "n2 = sum over the last 10 of .85^q c(r_q -> j) / (total + 2)"),
    CandidateSource("cosine", "its 40 best items", "(n2 + the same backwards) / sqrt(long popularity + 3)"),
    CandidateSource("machine", "the 60 best of a pool of 1,024", "the factorization machine's score"),
)
"""In the order of models/dimensions.py. Popularity: Cormode et al., ICDE 2009. Memories: space-saving rows after
Metwally et al., ICDT 2005; item-to-item cosine after Sarwar et al., WWW 2001 and Linden et al., 2003."""
