"""Rivals rank all items from their own weights, with the same numbers as their own predictions."""

import copy
import importlib.util
import math
import random

import numpy as np
import pytest

from models.evaluation.protocol import Stream
from models.evaluation.rival_run import examples, rank_of, run_rival, top
from models.evaluation.rivals_implicit import DAY, HOUR, Retrained, obstacle
from models.evaluation.rivals_river import RIVER, RiverBiasedMF, RiverFMRegressor, RiverLinearRegression
from models.evaluation.rivals_sessions import LEAST, LENGTH, NEIGHBOURS, SAMPLED, SessionKnn
from models.evaluation.rivals_vw import VW
from tests.support.streams.shop import ShopEvent, stream

PREDICT = {
    RiverFMRegressor: lambda model, user, item: model.predict_one({("user", user): 1.0, ("item", item): 1.0}),
    RiverBiasedMF: lambda model, user, item: model.predict_one(user=user, item=item),
    RiverLinearRegression: lambda model, user, item: model.predict_one({("user", user): 1.0, ("item", item): 1.0}),
}

needs_vw = pytest.mark.skipif(importlib.util.find_spec("vowpalwabbit") is None, reason="vowpalwabbit is not installed")
needs_implicit = pytest.mark.skipif(importlib.util.find_spec("implicit") is None, reason="implicit is not installed")


def taught(rival, count=600, users=12, items=30):
    rng = random.Random(2)
    for _ in range(count):
        rival.learn(f"u{rng.randrange(users)}", rng.randrange(items), float(rng.random() < 0.6), 0.0)
    return rival


@pytest.mark.parametrize("make", [RiverFMRegressor, RiverBiasedMF, RiverLinearRegression])
@pytest.mark.parametrize("user", ["u3", "nobody yet"])
def test_ranking_from_rivers_weights_equals_predict_one_for_every_item(make, user) -> None:
    rival = taught(make(1))
    rival.scores("u3", 30, 0.0)
    original = copy.deepcopy(rival.model)  # predict_one makes rows for what it does not know
    expected = [PREDICT[make](original, user, item) for item in range(40)]  # the last ten nobody has met
    assert rival.scores(user, 40, 0.0).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("make", [RiverFMRegressor, RiverBiasedMF, RiverLinearRegression])
def test_ranking_does_not_change_the_model(make) -> None:
    often, never = make(1), make(1)
    rng = random.Random(3)
    for _ in range(300):
        user, item, target = f"u{rng.randrange(9)}", rng.randrange(20), float(rng.random() < 0.5)
        if make is RiverLinearRegression:  # the others draw a new vector for whom they are asked about first
            often.scores(user, 20, 0.0)
        often.learn(user, item, target, 0.0)
        never.learn(user, item, target, 0.0)
    assert often.scores("u3", 20, 0.0).tolist() == never.scores("u3", 20, 0.0).tolist()


@needs_vw
@pytest.mark.parametrize("name", sorted(VW))
@pytest.mark.parametrize("user", ["u3", "nobody yet"])
def test_ranking_from_vowpal_wabbits_weights_equals_its_own_prediction(name, user) -> None:
    rival = taught(VW[name](1))
    expected = [rival.predict(user, item) for item in range(40)]
    assert rival.scores(user, 40, 0.0).tolist() == pytest.approx(expected, abs=1e-5)
    assert rival.memory() > 1 << 22


@needs_vw
def test_an_id_with_the_separators_of_vowpal_wabbit_is_one_feature() -> None:
    rival = VW["vw.interactions"](1)
    for _ in range(30):
        rival.learn("an id | with : signs", 0, 1.0, 0.0)
        rival.learn("another", 0, 0.0, 0.0)
    assert rival.scores("an id | with : signs", 1, 0.0)[0] > 0.8
    assert rival.scores("another", 1, 0.0)[0] < 0.2


class FirstSeen:
    """A batch model: the score of an item is how often it was wanted before the fit."""

    fits = 0

    def fit(self, matrix, show_progress):
        assert not show_progress
        FirstSeen.fits += 1
        self.user_factors = np.ones((matrix.shape[0], 1))
        self.item_factors = np.asarray(matrix.sum(axis=0)).reshape(-1, 1)


class RetrainedFirstSeen(Retrained):
    def _new_model(self):
        return FirstSeen()


def test_a_retrained_model_knows_what_came_before_the_last_boundary_and_nothing_later() -> None:
    pytest.importorskip("threadpoolctl")
    rival, FirstSeen.fits = RetrainedFirstSeen(HOUR, 1), 0
    rival.learn("ann", 0, 1.0, 10.0)
    rival.learn("ann", 1, 0.0, 20.0)
    rival.catch_up(HOUR - 1)
    assert not np.isfinite(rival.scores("ann", 2, HOUR - 1)).any()
    rival.catch_up(HOUR + 1)
    rival.learn("ann", 2, 1.0, HOUR + 2)
    assert rival.scores("ann", 3, HOUR + 3).tolist() == [1.0, -math.inf, -math.inf]
    rival.catch_up(2 * HOUR)
    assert rival.scores("ann", 3, 2 * HOUR).tolist() == [1.0, -math.inf, 1.0]
    assert rival.scores("a new user", 3, 2 * HOUR).tolist() == [1.0, -math.inf, 1.0]
    rival.catch_up(5 * HOUR)  # nothing new: no fit
    assert rival.notes() == {"fits": 2}
    assert FirstSeen.fits == 2


@needs_implicit
@pytest.mark.parametrize("name", ["als.daily", "bpr.daily"])
def test_implicits_models_find_the_two_halves_of_a_shop(name) -> None:
    from models.evaluation.rivals_implicit import BATCH

    rival, rng = BATCH[name](1), random.Random(1)
    for _ in range(3000):
        half = rng.randrange(2)
        rival.learn(f"u{half}-{rng.randrange(20)}", 10 * half + rng.randrange(10), 1.0, 0.0)
    rival.catch_up(DAY)
    scores = rival.scores("u1-3", 20, DAY)
    assert set(top(scores, 10)) == set(range(10, 20))


def test_a_stream_that_does_not_suit_a_period_is_explained() -> None:
    assert obstacle(DAY, [0.0, DAY + 1]) is None
    assert "no boundary of 1 h" in str(obstacle(HOUR, [5.0, 3500.0]))
    assert "1000 fits; 400" in str(obstacle(HOUR, [HOUR * n for n in range(1001)]))


def test_the_rank_counts_ties_against_the_target_and_a_list_is_a_stable_sort() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        scores = rng.integers(0, 12, 100).astype(float)
        scores[rng.integers(0, 100, 10)] = -np.inf
        order = sorted(range(100), key=lambda at: (-scores[at], at))
        assert top(scores, 7) == [at for at in order if scores[at] > -np.inf][:7]
        for item in range(100):
            slow = sum(other >= scores[item] for other in scores)
            assert rank_of(scores, item) == (slow if scores[item] > -np.inf else 0)


def test_a_negative_is_known_and_was_not_touched_by_its_user() -> None:
    events = stream(800, 4)
    given = examples(Stream(events, {}), seed=2)
    touched: dict[str, set[int]] = {}
    drawn = 0
    for place, event in enumerate(events):
        own = touched.setdefault(event.user_id, set())
        if event.item_id is not None:
            assert given.names[given.items[place]] == event.item_id
            if event.kind not in {4, 5}:  # a search or an impression touches nothing
                own.add(int(given.items[place]))
        negative = int(given.negatives[place])
        if negative >= 0:
            drawn += 1
            assert negative < given.known[place]
            assert given.targets[place] == 1.0
            assert negative not in own
    assert drawn > 100


class Oracle:
    """Scores the next item highest, because it knows the stream."""

    pointwise = True

    def __init__(self, answers):
        self.answers, self.asked, self.learned = answers, [], []

    def learn(self, user, item, target, when):
        assert when >= 0
        self.learned.append((user, item, target))

    def catch_up(self, when):
        pass

    def scores(self, user, count, when):
        self.asked.append((user, count))
        scores = np.arange(count) / 1000.0
        answer = self.answers[when]
        if answer < count:
            scores[answer] = 1.0
        return scores

    def predicted(self, scores):
        return scores

    def memory(self):
        return 7

    def notes(self):
        return {"is": "an oracle"}


def test_a_run_ranks_before_it_learns_and_gives_every_rival_the_same_examples() -> None:
    events = [ShopEvent(0, f"u{n % 3}", f"i{n % 5}", float(n)) for n in range(40)]
    given = examples(Stream(events, {}), seed=1)
    rival = Oracle({float(n): n % 5 for n in range(40)})
    run = run_rival(Stream(events, {}), given, rival, [3, 10, 20], [10], 3, iter(range(1000)).__next__)
    assert run.ranks.tolist() == [0, 1, 1]  # item 3 was new at event 3
    assert run.lists == [["i0", "i4", "i3"]]
    assert rival.asked == [("u0", 3), ("u1", 5), ("u2", 5)]
    assert rival.learned[:2] == [("u0", 0, 1.0), ("u1", 1, 1.0)]
    assert sum(target == 0.0 for _, _, target in rival.learned) == (given.negatives >= 0).sum()
    assert (run.memory, run.notes, run.learning > 0, run.ranking > 0) == (7, {"is": "an oracle"}, True, True)


def test_rivers_models_all_run_by_their_names() -> None:
    assert [make(1).pointwise for make in RIVER.values()] == [True, True, True]


class NaiveSessionKnn:
    """The same as its text says: all sessions as lists, compared one by one."""

    def __init__(self):
        self.sessions, self.users, self.counts = [], {}, {}
        self.back = []

    def learn(self, user, item, when):
        own = self.users.setdefault(user, [])
        if not own or when - own[-1][1] > 1800:
            self.sessions.append((user, []))
        session = max(at for at, (name, _) in enumerate(self.sessions) if name == user)
        if item not in self.sessions[session][1]:
            self.sessions[session][1].append(item)
        self.back.append(item in self.last(user))
        own.append((item, when))
        self.counts[item] = self.counts.get(item, 0) + 1

    def last(self, user):
        return list(dict.fromkeys(item for item, _ in reversed(self.users.get(user, []))))[:LENGTH]

    def scores(self, user, count, when):
        own = self.last(user)
        popularity = [LEAST * self.counts.get(item, 0) / max(sum(self.counts.values()), 1) for item in range(count)]
        latest = max((at for at, (name, _) in enumerate(self.sessions) if name == user), default=-1)
        current = latest if own and when - self.users[user][-1][1] <= 1800 else -1
        sharing = [at for at, (_, held) in enumerate(self.sessions) if at != current and set(held) & set(own)]
        similar = {}
        for at in sharing[-SAMPLED:]:
            places = [place for place, item in enumerate(own) if item in self.sessions[at][1]]
            similar[at] = sum((len(own) - place) / len(own) for place in places), 1 + places[0]
        others = [0.0] * count
        for at in sorted(similar, key=lambda each: (-round(similar[each][0], 9), -each))[:NEIGHBOURS]:
            for item in self.sessions[at][1]:
                others[item] += 0.0 if item in own else similar[at][0] / similar[at][1]
        total, back = sum(others) or 1.0, sum(self.back) / max(len(self.back), 1)
        mine = {item: 1 / (1 + place) for place, item in enumerate(own)}
        reminders = [back * mine.get(item, 0.0) / sum(mine.values() or [1]) for item in range(count)]
        return [popularity[item] + (1 - back) * others[item] / total + reminders[item] for item in range(count)]


@pytest.mark.parametrize("limits", [(SAMPLED, NEIGHBOURS), (40, 5)], ids=["as it is", "few"])
def test_session_knn_scores_as_its_slow_twin_does(monkeypatch, limits) -> None:
    for name, limit in zip(("SAMPLED", "NEIGHBOURS"), limits, strict=True):
        monkeypatch.setattr(f"models.evaluation.rivals_sessions.{name}", limit)
        monkeypatch.setitem(globals(), name, limit)
    rival, slow, rng, now = SessionKnn(1), NaiveSessionKnn(), random.Random(8), 0.0
    for _ in range(700):
        now += rng.choice([1, 30, 400])
        user, item = f"u{rng.randrange(12)}", min(int(rng.expovariate(0.12)), 39)
        rival.learn(user, item, 1.0, now)
        rival.learn(user, rng.randrange(40), 0.0, now)
        slow.learn(user, item, now)
        if rng.random() < 0.1:
            for asked in (user, "nobody yet"):
                for later in (now, now + 5000):
                    expected = slow.scores(asked, 40, later)
                    assert rival.scores(asked, 40, later).tolist() == pytest.approx(expected, abs=1e-12)
    assert rival.notes() == {"sessions": len(slow.sessions)}
    assert rival.memory() > 4 * len(slow.sessions)


def test_session_knn_finds_the_next_step_of_a_visit() -> None:
    """Visits go through one of five chains of items: after the first steps the rest of the chain is at the top."""
    rival, rng = SessionKnn(1), random.Random(9)
    for visit in range(200):
        chain = rng.randrange(5)
        for step in range(4):
            rival.learn(f"u{rng.randrange(20)}-{visit}", 10 * chain + step, 1.0, 10_000.0 * visit + step)
    for visit in range(400):
        chain = visit % 5
        for step in range(4):
            rival.learn(f"v{visit}", 10 * chain + step, 1.0, 1e7 + 10_000.0 * visit + step)
    rival.learn("new", 20, 1.0, 5e7)
    rival.learn("new", 21, 1.0, 5e7 + 1)
    rival.learn("new", 20, 1.0, 5e7 + 2)  # it came back at once; hardly anybody else does
    assert set(top(rival.scores("new", 50, 5e7 + 3), 2)) == {22, 23}
