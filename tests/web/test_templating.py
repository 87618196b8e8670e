"""Compiled templates are kept for the next process, and pages do without where they cannot be."""

from flask import render_template_string
from jinja2 import Environment, FileSystemLoader

from vmsapp.templating import KeptTemplates


def environment(pages, kept):
    return Environment(
        loader=FileSystemLoader(pages), bytecode_cache=KeptTemplates(str(kept)), autoescape=True
    )


def compiled(monkeypatch):
    """Count what is compiled from here on."""
    names, compile_one = [], Environment.compile

    def counted(self, source, name=None, *args, **options):
        names.append(name)
        return compile_one(self, source, name, *args, **options)

    monkeypatch.setattr(Environment, "compile", counted)
    return names


def test_a_second_process_compiles_nothing_until_a_template_changes(tmp_path, monkeypatch):
    pages, kept = tmp_path / "pages", tmp_path / "kept"
    pages.mkdir()
    (pages / "slip.html").write_text("{{ units }} kWh")
    names = compiled(monkeypatch)
    for _ in range(2):
        shown = environment(pages, kept).get_template("slip.html").render(units=5)
        assert (shown, names) == ("5 kWh", ["slip.html"])
    (pages / "slip.html").write_text("{{ units }} m³")
    assert environment(pages, kept).get_template("slip.html").render(units=5) == "5 m³"
    assert names == ["slip.html"] * 2
    assert kept.stat().st_mode & 0o777 == 0o700


def test_a_page_is_shown_where_nothing_can_be_kept(tmp_path):
    (tmp_path / "slip.html").write_text("{{ units }} kWh")
    occupied = tmp_path / "kept"
    occupied.write_text("no folder")
    shown = environment(tmp_path, occupied).get_template("slip.html").render(units=5)
    assert shown == "5 kWh"


def test_what_is_kept_and_broken_is_compiled_again(tmp_path):
    pages, kept = tmp_path / "pages", tmp_path / "kept"
    pages.mkdir()
    (pages / "slip.html").write_text("{{ units }} kWh")
    environment(pages, kept).get_template("slip.html")
    (file,) = kept.iterdir()
    for broken in (b"", file.read_bytes()[:40], b"\x00" * 200):
        file.write_bytes(broken)
        shown = environment(pages, kept).get_template("slip.html").render(units=5)
        assert shown == "5 kWh"


def test_the_product_keeps_its_own_in_its_instance(app, settings):
    cache = app.jinja_env.bytecode_cache
    assert isinstance(cache, KeptTemplates)
    assert cache.directory == str(settings.instance / "templates")
    with app.test_request_context():
        assert render_template_string("{{ 1 }}") == "1"
    client = app.test_client()
    assert client.get("/login/").status_code == 200
    assert len(list((settings.instance / "templates").iterdir())) > 1
