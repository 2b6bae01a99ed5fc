"""Examples in; predictions or one training step out. For models.estimators alone."""
