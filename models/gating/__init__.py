"""In: what is known of a version, what the gate remembers. Out: the parts `models.gate.decide` is made of. Stage 6."""
