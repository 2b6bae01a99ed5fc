"""Parts of the commands replay and rebuild that need the gate. Loads models.replay, and with it River."""

from service.replay.examiner import CanaryExaminer
from service.replay.policy_file import BadPolicy, read_rule, rule_in_force
from service.replay.table import moment, text

__all__ = ["BadPolicy", "CanaryExaminer", "moment", "read_rule", "rule_in_force", "text"]
