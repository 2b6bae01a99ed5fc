"""The parts of the soak: its servers and processes, its load, its faults, and the audit at its end."""
