"""Pages written from the code, and the figures that they quote."""
