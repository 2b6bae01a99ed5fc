"""Settings in; terms as the one learner, one after another, out. Stages 2 to 5."""
