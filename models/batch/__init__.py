"""In: events learnt together instead of one by one. Out: the factorization machine after several passes. Stage 4."""
