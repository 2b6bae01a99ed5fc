"""A log in; what the recommender and other models would have reached on it, out."""
