"""The worker's entry: ``celery -A vmsapp.tasks.worker worker``."""

from vmsapp import create_app

celery = create_app().extensions["celery"]
