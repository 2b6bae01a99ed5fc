"""Settings in; a Kafka client, its errors, topics and a producer out. Stage 0."""
