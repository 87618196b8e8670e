"""The manual: its chapters as they are written in ``docs/manual``, read, and searched."""
