"""Which trouble with Kafka the learner waits out, and which one ends the term."""

from __future__ import annotations

import math

from streaming.kafka.errors import BrokerAway, TopicMissing
from streaming.learner.polling import REOPEN, patience


def test_only_unexplained_trouble_ends_the_term_so_that_a_new_client_is_opened() -> None:
    assert patience(BrokerAway("no broker answers", "other")) == REOPEN
    assert patience(BrokerAway("Kafka took nothing for 60 s", "timeout")) == math.inf
    missing = TopicMissing("shop.orders", "127.0.0.1:1")
    assert patience(missing) == math.inf
    assert "kafka-topics.sh --bootstrap-server 127.0.0.1:1 --create --topic shop.orders" in str(missing)
