"""Jobs whose end is told to whoever asked for them, on whatever page they are."""

from typing import Final

from flask import session as cookie

WATCHED: Final = "watched_jobs"
"""In the cookie of who asked for exports: their jobs, until they were told that these ended."""
MOST_WATCHED: Final = 10


def watch(job_id: int) -> None:
    """Have the asker told, on whatever page, once a job ended."""
    cookie[WATCHED] = [*cookie.get(WATCHED, []), job_id][-MOST_WATCHED:]
