"""In: the settings. Out: findings about Kafka, Redis, this machine and the settings; nothing is changed."""
