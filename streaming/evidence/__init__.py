"""Tested events in; what the learner reports about its models out. Nothing here changes what is learned."""
