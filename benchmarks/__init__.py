"""One file per question: how fast, how fresh, how soon back, how many bytes, how good."""
