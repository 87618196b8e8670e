"""Reports: what was sold, to whom, with which tokens."""
