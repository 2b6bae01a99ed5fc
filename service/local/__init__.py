"""Kafka, Redis, learner and service on this machine."""
