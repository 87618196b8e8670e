"""VMS: vending and management of prepaid electricity, water and gas under the STS.

``create_app`` is the only place that wires the rooms together. Nothing is imported
before it is called, so that a room can be used without the others.
"""
# ruff: noqa: PLC0415 - see above

TYPE_CHECKING = False  # type checkers read it as True
if TYPE_CHECKING:
    from flask import Flask

    from config import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """Make the application.

    Args:
        settings: What to start with; by default read from the environment.

    Raises:
        SettingsError: The environment holds a setting the product cannot start with.
    """
    import gc

    collects = gc.isenabled()
    gc.disable()  # loading makes nearly a million objects, none of them garbage
    try:
        app = _wired(settings)
        if not gc.get_freeze_count():  # what stands now stays: 0.15 s a walk, amid somebody's sale
            gc.freeze()
    finally:
        if collects:
            gc.enable()
    return app


def create_app_for_commands(settings: "Settings | None" = None) -> "Flask":
    """Make it for ``flask``, which finds it by ``.flaskenv``.

    Args:
        settings: As above.

    Raises:
        ClickException: What it does not start with, in a sentence to whoever typed the command.
    """
    import click

    from config import SettingsError

    try:
        return create_app(settings)
    except (SettingsError, PermissionError) as error:
        raise click.ClickException(str(error)) from None


def _wired(settings: "Settings | None") -> "Flask":
    """Make the application."""
    import logging
    import os

    from flask import Flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    from config import ROOT, Settings
    from vmsapp import api, cli, i18n, logs, models, scope, tasks, templating, views, watch
    from vmsapp.extensions import csrf, db, migrate
    from vmsapp.sealing import expand
    from vmsapp.services import instance, security_modules
    from vmsapp.services.backup import databases
    from vmsapp.services.delivery.senders import sms_sender

    settings = settings or Settings.from_environ(os.environ)
    os.umask(0o077)  # what is written is its owner's alone
    logs.begin(settings.log_level, settings.log_format)
    for chatty, level in (("flask_appbuilder", "WARNING"), ("alembic", "WARNING"),
                          ("waitress", "WARNING"), ("kombu.connection", "ERROR"),
                          ("sqlalchemy", "WARNING")):  # rows read, digits too  # fmt: skip
        logging.getLogger(chatty).setLevel(level)
    app = Flask(__name__, instance_path=str(settings.instance.resolve()))
    serves = not cli.for_a_command()
    signing_key = instance.signing_key(settings, make=serves)
    app.config.from_mapping(
        settings.flask(), SECRET_KEY=signing_key,
        JWT_SECRET_KEY=expand(signing_key.encode(), "bearers"),
    )  # fmt: skip
    app.extensions["vms_settings"] = settings
    templating.init_app(app, settings.templates_folder)
    if settings.proxies:
        hops = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]

    db.init_app(app)
    migrate.init_app(
        app, db, directory=str(ROOT / "migrations"), render_as_batch=True, compare_type=True
    )
    csrf.init_app(app)  # before the framework, which then exempts its APIs and guards deletes
    app.extensions["vms_sms"] = sms_sender(settings)
    app.extensions["vms_modules"] = security_modules.registry_from(settings)
    with app.app_context():
        builder = views.OfficeBuilder(
            app,
            db.session,
            indexview=views.Start,
            security_manager_class=views.ScreensSecurityManager,
        )
        views.register(app, builder, production=settings.production)
        api.init_app(app)
        if settings.production and not databases.is_absent(settings.database):
            with scope.seen_by(scope.SYSTEM):
                instance.refuse_demo_keys(db.session())
            db.session.remove()
    i18n.init_app(app)
    tasks.init_app(app, settings, make_folder=serves)
    cli.register(app)
    watch.init_app(app, settings)  # the last, so that it stands before all the others
    assert models, "all tables are mapped"
    return app
