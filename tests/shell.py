"""Commands as a shell gives them: the application is made to find the command in it."""

from click.testing import CliRunner, Result
from flask.cli import FlaskGroup

from config import Settings
from vmsapp import create_app


def flask(settings: Settings, *words: object, **more: object) -> Result:
    """Run ``flask``."""
    group = FlaskGroup(create_app=lambda: create_app(settings), load_dotenv=False)
    return CliRunner().invoke(group, [str(word) for word in words], **more)
