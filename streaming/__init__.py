"""The write side: records from Kafka in; learned, versioned state in Redis out."""
