"""What a version carries in, bytes out, and back. Stage 5."""
