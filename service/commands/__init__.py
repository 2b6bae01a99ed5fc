"""The commands of `sluicegate`, a module each: arguments in, work done and an exit code out."""
