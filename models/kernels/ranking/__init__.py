"""Candidates in; features, scores, ranks and one training step out. Second stage of a ranking."""
