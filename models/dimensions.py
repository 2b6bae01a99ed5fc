"""Sizes and rates of the recommender, with their origin. Compiled code takes them as constants.

Unless another reason is given, a number was chosen on development streams; moving a size by a factor of two changes
hit rates by less than 0.01, which is about two standard errors there (docs/decisions.md, Recommender).
"""

from typing import Final

FACTORS: Final = 32
"""Numbers per vector of the factorization machine. Half as many lose quality, 64 gain nothing after ranking."""

RING: Final = 128
"""Events remembered per user. 64 costs 0.008 hit rate on MovieLens; memory is 6 bytes each."""

KIND_BITS: Final = 4
PAUSE_BITS: Final = 7
"""Bits of an event's type in a ring, and of the mantissa of the pause before it (models/kernels/core/short_numbers.py):
pauses of up to 4 minutes are exact to the second, and all others to 1/256, and so is an event's age."""

WINDOW: Final = 10
"""Recent events that stand as context: for the window memories and for the factorization machine. 20 cost twice the
time and bytes of a version, and gain less than half a standard error (docs/decisions.md)."""

BASKETS: Final = 1 << 13
"""Buckets of pairs that were bought in the same order, each of the items whose row has the same remainder: 1.6 MB of
each state and each base, for any catalogue. A memory per item would be 130 bytes of each item, and most are in no order
with another. Beyond some 20,000 items that are, only the pairs of those that are bought often stay."""

BASKET_SLOTS: Final = 16
"""Pairs of a bucket: twice as many items as such a list usually shows, because filters take some away."""

ORDER_SPAN: Final = 60
"""Seconds between two purchases of a user that count as lines of one order. Most shops give all lines one time; some
send them one by one. A user's next order is rarely as soon."""

LONG_WINDOW: Final = 64
"""Recent events whose window memories are summed for existing candidates: 3,200 look-ups a list. Without it MovieLens'
reciprocal rank is 0.0015 lower."""

LONG_WINDOW_DECAY: Final = 0.97
"""Weight of the q-th last event in that sum: half after 23."""

LAG_SLOTS: Final = 30
"""Followers remembered per item (what came directly after it)."""

WINDOW_SLOTS: Final = 50
"""Neighbours remembered per item and direction."""

WINDOW_DECAY: Final = 0.85
"""Weight of the q-th last event in the window memories is this to the power q."""

SESSION_DECAY: Final = 0.5
"""Each session break between two events multiplies their window weight by this."""

SESSION_GAP: Final = 1800
"""Seconds without an event that end a session (the usual half hour of web analytics)."""

CONTEXT_DECAY: Final = 0.8
"""Weight of the q-th last event in the factorization machine's context, normalised to sum 1."""

EARLIER_STEPS: Final = 0.5
"""Weight, on top of CONTEXT_DECAY, of the vectors that belong to context alone, for all events but the last. At 0 hit
rate on MovieLens is 0.006 lower, reciprocal rank 0.003; at 1 little more is gained, and the machine alone loses on
Online Retail."""

FARTHEST_BEHIND: Final = 3600.0
"""Seconds that a record may be behind the time of the stream without setting it back. Far more than the distance of
partitions that are read in turns at the end of the log. If smaller, time would jump to and fro between them; if larger,
one wrong clock would distort for longer what is measured by it."""

LONG_DECAY: Final = 0.95
"""Weight of the q-th last event in the fading mean of the whole history: half after 14 events."""

HALF_LIVES: Final = (500.0, 5_000.0, 100_000.0)
"""Events after which a popularity counts half: short, middle, long. Event counts and not time, so that quiet hours
do not empty the lists."""

FLOOR: Final = -8.0
"""Least log popularity: items beyond it are equally unknown."""

NEVER: Final = -1e9
"""Popularity key of an item that was never touched: finite, so that sums with it stay finite."""

TOP: Final = 40
"""Items in each popularity list. The lists are exact, so hit@20 of popularity is exact too."""

CATEGORY_TOP: Final = 30
"""Items in a category's list."""

CATEGORY_NEXT: Final = 20
"""Categories remembered as followers of a category."""

POOL: Final = 1024
"""Items that the factorization machine ranks as a whole: its cost does not grow with the catalogue. 4,096 cost 60 µs
a list more; the machine alone then ranks better, the served list does not."""

POOL_PROBES: Final = 8
"""Random members compared when the pool is full; the least popular leaves."""

POOL_TOP: Final = 60
"""Best of the pool that become candidates."""

RECENT: Final = 100_000
"""Last items seen, from which popularity-biased negatives are drawn."""

NEGATIVES: Final = 22
"""Negatives per event, half from the pool and half from the recent items. 30 and 60 gain nothing after ranking."""

FACTOR_RATE: Final = 0.1
"""AdaGrad step of the factorization machine. 0.2 costs 0.007 hit rate on MovieLens."""

FACTOR_DECAY: Final = 1e-4
"""L2 penalty on vectors."""

FACTOR_START: Final = 1e-3
BIAS_START: Final = 0.1
"""Added to the AdaGrad sums of a vector and of a bias under the root, as at the learner as where shards are merged."""

FACTOR_SPREAD: Final = 0.05
"""Standard deviation of new vectors."""

RANK_RATE: Final = 0.05
"""AdaGrad step of the linear regressor."""

BLOCK_RATE: Final = 0.015
"""AdaGrad step of the ranker's weights per bucket. At 0.05 they follow every list: worse log loss on all streams."""

NEWTON_SPREAD: Final = 0.1
"""Variance of the ranker's shared weights before the first list. A tenth or five times as much loses little."""

NEWTON_FORGET: Final = 0.9998
"""Weight of past lists per new one in the ranker's curvature: it remembers 5,000. 1 is as good on steady streams but
stops learning in the end; 0.999 is worse on all."""

RANK_START: Final = 0.01
"""Initial AdaGrad sum of both: bounds the first steps at half a standard deviation."""

RANK_PRIOR: Final = 0.3
"""Prior of log popularity and of the two forward memories: they order candidates before the first list is learned."""

MOMENT_STEP: Final = 0.002
"""Least step of the running feature means: they remember some 500 lists."""

RATE_SECONDS: Final = 8.0
"""Seconds of record time over which the rate of records fades. A backlog is read partition by partition, 1 MiB or some
7,600 records of each: over far fewer, the rate would first be that of one partition and then endless. Over more, a
stream that slows down from 10,000 a second would count as fast for longer than the 26 s that it now takes to fall below
400."""

RACE_FADE: Final = 0.999
"""Weight of the past per tested event in the contenders' running scores: they remember about 1,000."""

SERVED_FADE: Final = 0.9998
"""The same in the served list's lead over a source: an old lead gives no licence to fall behind today."""

RANKER_FADE: Final = 0.999
"""The same in the ranker's: its recent form."""

RETURN_PLACES: Final = 19
"""Counts of the place at which a user's own item is taken again: 16 single places, those to 32, to 64 and to 128."""

RETURN_FADE: Final = 0.999
"""Weight of the past per trained list in what is counted of returns: it remembers a thousand lists."""

RETURN_PRIOR: Final = 3.0
"""Lists that the first place of own items counts for before the first list; the n-th counts for one over n of it."""

RETURN_FLOOR: Final = 0.05
"""Part of a chance among own items that each of them has alike when experts are compared: a ranker that is too sure
must not lose, or win, everything by one event."""

RETURN_ODDS: Final = 1.0
"""Log odds, in a new model, that counts know better than the ranker which own item comes; whether one comes, 0."""

RETURN_OFF: Final = -30.0
"""The same in a version that was written before counts were mixed: its ranker has learned, so nothing is mixed."""

RETURN_LISTS: Final = 500.0
"""Trained lists at which 0.37 of the mixture with counted returns is left. Without an end to it Taobao's hits on the
whole stream are 0.02 lower: counts stay more likely than a ranker that is too sure, and find less."""

RETURN_SHARE: Final = 1e-3
"""Share of counted chances below which nothing is mixed."""

CLIP: Final = 4.0
"""Standardised features are cut here; beyond it one odd value would move the softmax of a whole list."""

LENGTHS: Final = 6
"""Buckets of the number of known events: 0, 1, 2-4, 5-19, 20-99, 100 and more."""

GAPS: Final = 6
"""Buckets of seconds since the last event: none, 0, below 60, below 1800, below 86400, more."""

BLOCKS: Final = 1 + LENGTHS + GAPS
"""Weight vectors of the ranker: one for all, one per bucket."""

NO_PRICE: Final = -1000.0
"""Log price of an item whose price is unknown."""

UNION: Final = 2048
"""Items that the sources of one request can name together: 10 windows of 2 * 50 neighbours, lists and history stay
below 1,900. Items named after the union is full are dropped."""

CANDIDATES: Final = 1024
"""Items that one request can rank."""

EXTRA: Final = 400
"""Rows a caller can add to the candidates (a category's items, say)."""

CLICK, FAVOURITE, CART, PURCHASE, SEARCH, IMPRESSION, UNFAVOURITE, DISLIKE, RETURN = range(9)
"""Event type codes, as in models/records/events.py: up to PURCHASE positive, from UNFAVOURITE on negative."""

SHORT, MIDDLE, LONG, OWN, LAG, FORWARD, COSINE, MACHINE, LINEAR, RANKER, SERVED = range(11)
"""Contenders, each of which can order candidates and is scored. Below LINEAR they are single sources."""

CONTENDERS: Final = 11
SOURCES: Final = 8

ABSENT: Final = -1e30
"""Score of a candidate that a source does not propose."""

FRESH: Final = 400
"""Untouched items that one request can rank next to the touched ones: a category page's extra rows fit."""

LISTED: Final = CANDIDATES + FRESH
"""Places of a list: touched candidates, then untouched ones."""

GATE_TERMS: Final = 8
"""Terms of the log odds of an untouched item, per bucket (models/kernels/cold_start/ranker.py, `gate`)."""

FRESH_RATE: Final = 0.05
"""AdaGrad step of the ranker of untouched items and of its gate."""

GATE_PRIOR: Final = -4.0
"""Log odds that the next item is an untouched one, before the first list is learned: one in fifty."""

CAUTION: Final = 1.0
"""Log odds taken off untouched items at the start, and CAUTION_MOST at most; later by what they cost touched ones."""

CAUTION_MOST: Final = 8.0

CAUTION_TESTS: Final = 300.0
"""Tested events in which the caution goes most of its way to where it rests: by it, moves of several learners merge."""

COST_HITS: Final = 0.015
COST_RANKS: Final = 0.003
"""Share of the hits, and of the reciprocal ranks, of touched items that untouched ones may cost. At 0 no untouched item
would ever stand on a page that holds 20 touched ones; without a bound REES46 loses a tenth of its hits on touched items
and wins three times as many on untouched ones (docs/decisions.md)."""

PROTECTED: Final = 10
"""First places of a list in which untouched items may cost reciprocal ranks only within COST_RANKS."""

WORTH_FADE: Final = 0.99
"""Weight of the past, per hit of a touched item, in what untouched items are worth: it remembers a hundred hits."""

CONTENT: Final = 64
"""Numbers of an item's content vector, one byte each. A random projection to so many keeps a cosine to within 0.12
(standard deviation), to half as many within 0.18."""

QUERY_SLOTS: Final = 20
"""Items remembered per search query."""

REMEMBERED: Final = float(1 << 20)
"""Weight in one memory (of an item, a category or a query) beyond which its counts and their total are halved: a memory
tells shares, so old pairs may fade. A 32-bit float counts by steps of 1/16 up to here, and stops at 2**24."""

SIGHTINGS: Final = 1 << 20
"""Cells of the sketch that counts how often an item without a row was named, one byte each."""

SIGHTED: Final = 1 << 16
"""Counted events after which all counts of that sketch are halved. A sixteenth of the cells, and four cells an item:
then at most one new item in 200 is taken for one that was named before, however many were (with 2**17 it is one in 20).
An item that is named more seldom than once in so many events never gets a row if `admit_after` is more than 2."""

SIGNALS: Final = 1000.0
"""Impressions, likes and refusals of an item after which all three are halved: old ones fade."""

REFUSAL_PRIOR: Final = -0.3
"""Prior of the two features of refusals, by everybody and by this user: they must count before they are learned."""

REPEL: Final = 0.3
"""Share of a negative event's weight with which the factorization machine steps away from its item. One dislike says
little of its context: at 1 the machine loses 0.009 hit rate on MovieLens with its low ratings, at 0.3 0.005."""

LOOK_COST: Final = 0.01
"""Touches that an impression takes from an item's popularity: an item with one click per hundred impressions keeps its
place."""
