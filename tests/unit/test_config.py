"""Settings: every wrong value stops the start with a sentence that names it and no secret."""

from pathlib import Path

import pytest

from config import LANGUAGES, Settings, SettingsError

SECRET = "s3cr3t-" * 6
PRODUCTION = {
    "VMS_ENV": "production",
    "VMS_COOKIE_SECURE": "1",
    "DEMO": "0",
    "VMS_KEYSTORE_PASSPHRASE_FILE": "/run/secrets/passphrase",
}


def read(**environ):
    return Settings.from_environ(environ)


def refused(environ):
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)
    return str(caught.value)


@pytest.fixture
def file(tmp_path):
    """Write a secret to a file and give its path."""

    def write(text=SECRET):
        path = tmp_path / "secret"
        path.write_text(f"{text}\n")
        return str(path)

    return write


@pytest.fixture
def production(file):
    return PRODUCTION | {"VMS_SECRET_KEY_FILE": file()}


def test_nothing_need_be_set_for_a_trial():
    settings = read()
    assert (settings.production, settings.demo_wanted, settings.host) == (False, True, "127.0.0.1")
    assert settings.database.startswith("sqlite:///")
    assert settings.database.endswith("/instance/vms.sqlite")
    assert settings.keystore_path.parent == settings.passphrase_path.parent


def test_mail_has_its_ports_and_may_be_given_others():
    assert read().ports_for_mail == {25, 465, 587, 2525}
    assert read(VMS_MAIL_PORTS="587, 2587").ports_for_mail == {587, 2587}


WRONG = [
    ("VMS_ENV", "prod"), ("VMS_PORT", "0"), ("VMS_PORT", "65536"), ("VMS_PORT", "http"),
    ("VMS_THREADS", "0"), ("VMS_THREADS", "65"), ("VMS_PROXIES", "-1"), ("VMS_PROXIES", "6"),
    ("DEMO", "maybe"), ("VMS_DEBUG", "2"), ("VMS_LOG_LEVEL", "LOUD"),
    ("VMS_SECRET_KEY", "x" * 31), ("VMS_COOKIE_SECURE", "perhaps"),
    ("VMS_SESSION_MINUTES", "0"), ("VMS_SESSION_MINUTES", "1441"),
    ("DATABASE_URL", "mysql://db/vms"), ("DATABASE_URL", "nonsense"), ("DATABASE_URL", ""),
    ("DATABASE_URL", "sqlite://"), ("DATABASE_URL", "sqlite:///:memory:"), ("VMS_INSTANCE", " "),
    ("DATABASE_URL", "postgresql://db/vms"),
    ("VMS_MAIL_PORTS", "smtp"), ("VMS_MAIL_PORTS", ""), ("VMS_MAIL_PORTS", "25;465"),
    ("VMS_MAIL_PORTS", "-25"), ("VMS_MAIL_PORTS", "25,"),
    ("BROKER_URL", "http://broker"), ("BROKER_URL", "nonsense"),
    ("VMS_RATELIMIT_URL", "nonsense"), ("VMS_RATELIMIT_URL", ""),
    ("VMS_LOGIN_RATE", "often"), ("VMS_LOGIN_RATE", "10 per fortnight"),
    ("VMS_KEYSTORE_PASSPHRASE_FD", "2"), ("VMS_STA_TABLES", "demo"),
    ("VMS_TOKENS_PER_METER_MINUTE", "0"), ("VMS_TOKENS_PER_METER_DAY", "0"),
    ("VMS_RECONCILE_SECONDS", "0"), ("VMS_RECONCILE_SECONDS", "301"),
    ("VMS_PENDING_SECONDS", "0"), ("VMS_PENDING_SECONDS", "601"),
    ("VMS_CANCEL_SECONDS", "0"), ("VMS_CANCEL_SECONDS", "86401"),
    ("VMS_MODULE_SERVER", "maybe"), ("VMS_MODULE_PORT", "0"), ("VMS_MODULE_PORT", "65536"),
    ("VMS_MODULE_NETWORKS", ""), ("VMS_MODULE_NETWORKS", "10.0.0.1/8"),
    ("VMS_MODULE_NETWORKS", "10.0.0.0/8,"), ("VMS_MODULE_NETWORKS", "anywhere"),
    ("VMS_LOG_FORMAT", "xml"), ("VMS_METRICS_TOKEN", "x" * 31), ("VMS_METRICS_TOKEN", "x y" * 20),
    ("VMS_METRICS_FOLDER", " "), ("VMS_METRICS_TOKEN", "\u00fc" * 40),
    ("VMS_MODULE_PORTS", ""), ("VMS_MODULE_PORTS", "8770,"), ("VMS_MODULE_PORTS", "http"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_stops_with_a_sentence_that_names_the_setting(name, value):
    sentence = refused({name: value})
    assert sentence.startswith(f"{name}: ")
    assert sentence.endswith(".")


def test_every_wrong_value_gets_its_own_line():
    lines = refused({"VMS_PORT": "x", "VMS_THREADS": "y"}).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["VMS_PORT", "VMS_THREADS"]


def test_every_setting_has_a_name_and_a_meaning():
    for field in Settings.model_fields.values():
        assert field.alias
        assert field.description
        assert field.description.endswith((".", "trial may do."))


def test_other_variables_of_the_environment_are_left_alone():
    assert read(PATH="/bin", VMS_UNKNOWN="1") == read()


RIGHT = [
    ("VMS_PORT", "9000", "port", 9000),
    ("DEMO", "0", "demo", False),
    ("DATABASE_URL", "postgresql+psycopg://db/vms", "database", "postgresql+psycopg://db/vms"),
    ("DATABASE_URL", "sqlite:////srv/vms.sqlite", "database", "sqlite:////srv/vms.sqlite"),
    ("BROKER_URL", "redis://localhost/0", "broker_url", "redis://localhost/0"),
    ("BROKER_URL", "amqp://localhost//", "broker_url", "amqp://localhost//"),
    ("VMS_RATELIMIT_URL", "redis://localhost/1", "ratelimit_url", "redis://localhost/1"),
    ("VMS_LOGIN_RATE", "5 per 10 minutes", "login_rate", "5 per 10 minutes"),
    ("VMS_LOG_FORMAT", "json", "log_format", "json"),
    ("VMS_METRICS_TOKEN", "aB3-" * 8, "metrics_token", "aB3-" * 8),
    ("VMS_METRICS_FOLDER", "/run/vms/metrics", "metrics_path", Path("/run/vms/metrics")),
]


@pytest.mark.parametrize(("name", "value", "field", "meant"), RIGHT)
def test_a_right_value_is_taken(name, value, field, meant):
    assert getattr(read(**{name: value}), field) == meant


@pytest.mark.parametrize("name", ["VMS_SECRET_KEY", "DATABASE_URL", "BROKER_URL",
                                  "VMS_RATELIMIT_URL"])  # fmt: skip
def test_a_secret_may_be_given_in_a_file(name, file):
    value = SECRET if name == "VMS_SECRET_KEY" else f"redis://u:{SECRET}@h/0"
    if name == "DATABASE_URL":
        value = f"postgresql+psycopg://u:{SECRET}@h/db"
    settings = read(**{f"{name}_FILE": file(value)})
    fields = {f.alias: field for field, f in Settings.model_fields.items()}
    assert getattr(settings, fields[name]) == value


def test_a_secret_given_twice_is_refused(file):
    sentence = refused({"VMS_SECRET_KEY": SECRET, "VMS_SECRET_KEY_FILE": file()})
    assert sentence == "VMS_SECRET_KEY and VMS_SECRET_KEY_FILE are both set: keep one."


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    missing = tmp_path / "missing"
    sentence = refused({"VMS_SECRET_KEY_FILE": str(missing)})
    assert sentence.startswith(f"VMS_SECRET_KEY_FILE: {missing} cannot be read")


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    assert refused({"VMS_SECRET_KEY_FILE": str(path)}).startswith("VMS_SECRET_KEY_FILE: ")


BEYOND = ["0.0.0.0", "::", "192.168.1.5", "vms.example", ""]


@pytest.mark.parametrize("host", BEYOND)
def test_any_address_beyond_loopback_is_production(host, production):
    given = production | {"VMS_HOST": host, "VMS_ENV": "development"}
    assert Settings.from_environ(given).production
    assert "VMS_HOST" in refused({"VMS_HOST": host})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_an_address_of_this_machine_is_not_production(host):
    assert not read(VMS_HOST=host).production


def test_production_starts_when_all_is_said(production):
    settings = Settings.from_environ(production)
    assert (settings.production, settings.demo_wanted) == (True, False)


def test_production_loads_no_demo_even_if_nothing_is_said_about_it(production):
    del production["DEMO"]
    assert not Settings.from_environ(production).demo_wanted


NOT_IN_PRODUCTION = [  # what is changed, what the sentence names
    ({"DEMO": "1"}, "DEMO=0"),
    ({"VMS_DEBUG": "1"}, "VMS_DEBUG"),
    ({"VMS_COOKIE_SECURE": "0"}, "VMS_COOKIE_SECURE=1"),
    ({"VMS_STA_TABLES": "sample"}, "VMS_STA_TABLES"),
    ({"VMS_SECRET_KEY_FILE": None}, "VMS_SECRET_KEY_FILE"),
    ({"VMS_SECRET_KEY_FILE": None, "VMS_SECRET_KEY": SECRET}, "VMS_SECRET_KEY_FILE"),
    ({"DATABASE_URL": f"postgresql+psycopg://u:{SECRET}@h/db"}, "DATABASE_URL_FILE"),
    ({"DATABASE_URL": f"postgresql+psycopg://h/db?password={SECRET}"}, "DATABASE_URL_FILE"),
    ({"BROKER_URL": f"redis://h/0?password={SECRET}"}, "BROKER_URL_FILE"),
    ({"BROKER_URL": f"redis://:{SECRET}@h/0"}, "BROKER_URL_FILE"),
    ({"VMS_RATELIMIT_URL": f"redis://u:{SECRET}@h/0"}, "VMS_RATELIMIT_URL_FILE"),
]


@pytest.mark.parametrize(("changed", "named"), NOT_IN_PRODUCTION)
def test_production_refuses_what_only_a_trial_may_do(production, changed, named):
    given = {k: v for k, v in (production | changed).items() if v is not None}
    sentence = refused(given)
    assert named in sentence
    assert SECRET not in sentence


@pytest.fixture
def without_passphrase(production, tmp_path):
    """Production that names no passphrase, with a keystore in its folder."""
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "keystore.json").write_text("{}")
    production.pop("VMS_KEYSTORE_PASSPHRASE_FILE")
    return production | {"VMS_INSTANCE": str(tmp_path)}


def test_production_that_opens_a_keystore_must_be_told_its_passphrase(without_passphrase, tmp_path):
    sentence = refused(without_passphrase)
    assert sentence.startswith("VMS_KEYSTORE_PASSPHRASE_FILE: ")
    assert str(tmp_path / "module" / "keystore.json") in sentence


@pytest.mark.parametrize("given", [
    {"VMS_MODULE_SERVER": "1"},  # which opens the keystore for all
    {"VMS_KEYSTORE_PASSPHRASE_FD": "7"}, {"VMS_KEYSTORE_PASSPHRASE_FILE": "/run/secrets/it"},
    {"VMS_KEYSTORE": "/nowhere/keystore.json"}, {"VMS_INSTANCE": "/nowhere"},
])  # fmt: skip
def test_production_that_opens_no_keystore_or_was_told_starts(without_passphrase, given):
    assert Settings.from_environ(without_passphrase | given).production


def test_whoever_opens_a_keystore_all_the_same_can_ask_for_it(without_passphrase):
    settings = Settings.from_environ(without_passphrase | {"VMS_MODULE_SERVER": "1"})
    with pytest.raises(SettingsError, match="VMS_KEYSTORE_PASSPHRASE_FILE"):
        settings.demand_passphrase()
    read().demand_passphrase()  # a trial's is made


def test_several_secrets_given_directly_are_each_named_with_their_file(production):
    given = production | {
        "DATABASE_URL": f"postgresql+psycopg://u:{SECRET}@h/db",
        "BROKER_URL": f"redis://:{SECRET}@h/0",
    }
    lines = refused(given).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["BROKER_URL", "DATABASE_URL"]
    for line in lines:
        name = line.partition(":")[0]
        assert line.endswith(f"{name}_FILE.")


def test_a_url_without_a_password_may_be_given_directly_in_production(production):
    given = production | {"DATABASE_URL": "postgresql+psycopg://u@h/db"}
    assert Settings.from_environ(given).database == "postgresql+psycopg://u@h/db"


@pytest.mark.parametrize("name", ["DATABASE_URL", "BROKER_URL", "VMS_RATELIMIT_URL"])
def test_a_secret_never_stands_in_an_errors_text(name, file):
    for given in ({name: f"nonsense://u:{SECRET}@h"}, {f"{name}_FILE": file(f"no:{SECRET}")}):
        assert SECRET not in refused(given)
    assert SECRET[:20] not in refused({"VMS_SECRET_KEY": SECRET[:20]})


def test_the_languages_name_themselves():
    assert set(LANGUAGES) == {"en", "zh", "fr", "pt", "es", "ar", "sw", "ru"}
    assert all(set(entry) == {"flag", "name"} for entry in LANGUAGES.values())


def test_cookies_are_closed_to_scripts_and_to_other_sites(production):
    flask = Settings.from_environ(production).flask()
    assert flask["SESSION_COOKIE_HTTPONLY"]
    assert flask["SESSION_COOKIE_SECURE"]
    assert flask["SESSION_COOKIE_SAMESITE"] == "Lax"
    assert not flask["DEBUG"]
    assert not flask["FAB_CREATE_DB"]
