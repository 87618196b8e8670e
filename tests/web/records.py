"""Reading lists and forms as a person does: their rows, their links, what fields hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu

from tests.shop import Shop
from vmsapp.models.user import Role
from vmsapp.views.lists.pages import OfficeListView

RECORD_DEEDS = ("can_list", "can_show", "can_add", "can_edit", "can_delete")
EMPTY_TAGS = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "use", "wbr"}


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: "list[Element | str]" = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """All that is written in it, hidden words included."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()

    def all(self, tag: str = "", look: str = "", **attributes: str) -> "list[Element]":
        """The elements below it of a tag, with a class and attributes."""
        return [one for one in self._below() if one.fits(tag, look, attributes)]

    def one(self, tag: str = "", look: str = "", **attributes: str) -> "Element":
        """The only such element."""
        found = self.all(tag, look, **attributes)
        assert len(found) == 1, (tag, look, attributes, len(found))
        return found[0]

    def _below(self) -> "Iterator[Element]":
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._below()

    def fits(self, tag: str, look: str, attributes: dict[str, str]) -> bool:
        wanted = {name.strip("_").replace("_", "-"): value for name, value in attributes.items()}
        return (
            tag in {"", self.tag}
            and (not look or look in self.classes)
            and all(self.get(name) == value for name, value in wanted.items())
        )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.children.append(made)
        if tag not in EMPTY_TAGS:
            self.at = made

    def handle_endtag(self, tag: str) -> None:
        place: Element | None = self.at
        while place is not None and place.tag != tag:
            place = place.parent
        if place is not None and place.parent is not None:
            self.at = place.parent

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)


def read(page: str) -> Element:
    """Read a page's main part, or all of it where there is none."""
    reader = _Reader()
    reader.feed(page)
    mains = reader.root.all("main")
    return mains[0] if mains else reader.root


def rows(page: Element) -> list[list[str]]:
    """What the cells of a page's only table say, without its choosing and its tools."""
    return [
        [cell.text for cell in row.children if isinstance(cell, Element)
         and cell.tag in {"td", "th"} and not {"pick", "tools"} & set(cell.classes)]
        for row in page.one("tbody").all("tr")
    ] if page.all("tbody") else []  # fmt: skip


def ids(page: Element) -> list[int]:
    """Which records a list shows, in its order."""
    links = (link["href"] for link in page.all("a", "row-link"))
    return [int(re.fullmatch(r"/[\w-]+/show/(\d+)", link)[1]) for link in links]  # type: ignore[index]


def links(page: Element) -> dict[str, str]:
    """Where links lead, by what they are called."""
    return {link.text: link["href"] for link in page.all("a") if link.get("href")}


def chips(page: Element) -> dict[str, str]:
    """The filters in force, as said, and the address without each."""
    return {chip.text.removeprefix("Remove "): chip["href"] for chip in page.all("a", "chip")}


def sent(form: Element) -> dict[str, Any]:
    """What a form would send as it stands: lists for what can be chosen several times."""
    values: dict[str, Any] = {}
    for one in form.all():
        name = one.get("name")
        if not name or one.tag == "button":
            continue
        if one.tag == "select":
            chosen = [option for option in one.all("option") if "selected" in option.attributes]
            option = (chosen or one.all("option"))[0]
            values[name] = option.attributes.get("value", option.text)
        elif one.get("type") == "checkbox":
            if "checked" in one.attributes:
                values.setdefault(name, []).append(one.get("value") or "on")
        elif one.get("type") == "radio":
            if "checked" in one.attributes and "disabled" not in one.attributes:
                values[name] = one["value"]
        elif one.tag == "textarea":
            values[name] = one.text
        else:
            values[name] = one.get("value") or ""
    return values


def the_form(page: Element) -> Element:
    """The form in which a record is written."""
    return next(form for form in page.all("form", "card"))


def views_of(app: Flask) -> list[OfficeListView]:
    """The lists of the product."""
    builder = app.extensions["appbuilder"]
    return [view for view in builder.baseviews if isinstance(view, OfficeListView)]


def permit(shop: Shop, screen: str, *deeds: str, group: str = "Supervisor") -> None:
    """Give a ready-made group permissions for a screen, as an administrator can."""

    def change(session: Any) -> None:
        role = session.query(Role).where(Role.name == group).one()
        wanted = (
            session.query(PermissionView)
            .join(Permission, Permission.id == PermissionView.permission_id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
            .where(Permission.name.in_(deeds), ViewMenu.name == screen)
        )
        role.permissions += [one for one in wanted if one not in role.permissions]

    shop.change(change)
