"""What users did and saw, and what items are, in; Redis at once, outside versions, out."""
