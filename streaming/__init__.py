"""The write side: records from Kafka in; learnt, versioned state in Redis out."""
