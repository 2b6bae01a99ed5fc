"""What clients decide without a service."""
