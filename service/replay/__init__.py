"""What the commands replay and rebuild need of the service. Loads models.replay, and so River."""

from service.replay.examiner import CanaryExaminer
from service.replay.policy_file import BadPolicy, read_rule, rule_in_force
from service.replay.table import moment, text

__all__ = ["BadPolicy", "CanaryExaminer", "moment", "read_rule", "rule_in_force", "text"]
