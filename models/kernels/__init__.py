"""Every compiled function, and nothing else: arrays in, arrays changed in place or numbers out."""
