"""Results that must hold in the end, computed in another way."""
