"""A past stream and gate policies in; what each policy would have served, out."""
