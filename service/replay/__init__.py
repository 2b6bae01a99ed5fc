"""What the commands replay and rebuild need of the service. Loads models.replay, and so River."""
