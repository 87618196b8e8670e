"""Revenue protection: rules that look for lost money, and the work on what they find."""
