"""Engineering tokens, key changes, test tokens, the token desk and the training meter."""
