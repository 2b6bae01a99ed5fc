"""The words after `sluicegate` in; a command, its output and its exit code out."""
