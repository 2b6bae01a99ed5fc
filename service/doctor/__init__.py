"""Settings in; findings about the machine, Kafka and Redis out."""
