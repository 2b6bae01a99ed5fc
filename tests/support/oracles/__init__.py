"""What must be true in the end, computed another way."""
