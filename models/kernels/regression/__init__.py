"""Examples in; predictions or one training step out. Used by models.estimators alone."""
