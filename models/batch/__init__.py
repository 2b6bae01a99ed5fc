"""A collected batch in; further passes of the factorization machine out. Used where update.mode is batch."""
