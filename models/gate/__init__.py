"""State, evidence, policy and the time in; promote, hold or roll back, and the audit record, out. Stage 6."""
