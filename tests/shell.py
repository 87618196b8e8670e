"""Commands as a shell gives them: the application is made to find the command in it."""

from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import FlaskGroup

from config import Settings
from vmsapp import create_app_for_commands
from vmsapp.extensions import db


def flask(settings: Settings | None, *words: object) -> Result:
    """Run ``flask``; without settings by those of the environment."""
    made: list[Flask] = []

    def make() -> Flask:
        made.append(create_app_for_commands(settings))
        return made[-1]

    try:
        group = FlaskGroup(create_app=make, load_dotenv=False)
        return CliRunner().invoke(group, [str(word) for word in words])
    finally:
        for app in made:
            with app.app_context():
                db.session.remove()
                db.engine.dispose()
