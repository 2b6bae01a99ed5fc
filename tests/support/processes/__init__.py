"""Real processes that tests start: Kafka, Redis, Prometheus, the learner, the service."""
