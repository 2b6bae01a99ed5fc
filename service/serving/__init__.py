"""A served version, a history and an ask in; the answer out. The GET side, stage 7."""
