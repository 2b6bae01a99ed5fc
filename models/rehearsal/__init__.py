"""In: a stream that is past, and how gates decide. Out: what each would have let users see. Stage 6, tried out."""
