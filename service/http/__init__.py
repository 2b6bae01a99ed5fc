"""A request in; who asks, a typed ask and problem documents out."""
