"""Pages written from the code, and the numbers they quote."""
