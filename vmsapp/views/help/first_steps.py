"""First steps: what a new instance still lacks, and where it is done."""

from dataclasses import dataclass
from typing import Final

from flask import Flask, current_app, request, url_for
from flask import session as cookie
from flask_appbuilder import AppBuilder, expose, has_access, permission_name

from vmsapp.errors import N_
from vmsapp.security import FIRST_STEPS
from vmsapp.services.first_steps import MOST, Step, first_steps
from vmsapp.views.base import OfficeView, session
from vmsapp.views.lists.pages import OfficeListView
from vmsapp.views.look import number_text

ON_THE_WAY: Final = "first_steps"
"""Where the signed cookie keeps that the list was looked at with steps open."""

PEOPLE: Final = frozenset({"Users", "UserGroups"})
"""Screens one comes to from the list besides those of its steps."""


@dataclass(frozen=True)
class Words:
    """How a step is put to who does it.

    Attributes:
        view: Class name of the screen where it is done.
        each: It is done for every meter, not once for the utility.
        route: Where on that screen it is done.
        left: What is to be done with what is there already.
    """

    title: str
    why: str
    view: str
    each: bool = False
    route: str = "add"
    left: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a step is looked at and done, as far as the asker may and there is a page."""

    look: str | None = None
    do: str | None = None


WORDS: Final = {
    "region": Words(
        N_("Region"),
        N_("Who may see what follows the regions: a person sees a region with all below it."),
        "Regions", route="tree",
    ),
    "product": Words(
        N_("Product"),
        N_("The models of meters, by maker: they tell what a meter measures."),
        "Products", each=True,
    ),
    "vending_point": Words(
        N_("Vending point"),
        N_("Tokens are sold at vending points; each has its operators and its money."),
        "VendingPoints",
    ),
    "tariff": Words(
        N_("Tariff"),
        N_("What units cost: the price comes from the tariff's plan of the day."),
        "Tariffs", route="list",
    ),
    "security_module": Words(
        N_("Security module"),
        N_("It makes the tokens. Open it, and load the file with your vending key into it."),
        "SecurityModules", route="list",
    ),
    "setup": Words(
        N_("Setup"),
        N_("Name, time zone and currency of the utility; they stand on every receipt."),
        "UtilitySetup",
    ),
    "consumer": Words(
        N_("Consumer"),
        N_("Whoever buys: a meter is sold to once its consumer is known."),
        "Consumers", each=True,
    ),
    "meter": Words(
        N_("Meter"),
        N_("A token is made for one meter alone, by its number, key and tariff."),
        "Meters", each=True,
        left=N_("Open a meter, give it a tariff, and bind it to a consumer."),
    ),
}  # fmt: skip


class FirstSteps(OfficeView):
    """For administrators, who can do all of it."""

    route_base = "/first-steps"
    default_view = "show"
    class_permission_name = FIRST_STEPS

    @expose("/")
    @has_access
    @permission_name("show")
    def show(self) -> str:
        """Show the steps in their order."""
        doors = {name: self._door(told.view, told.route) for name, told in WORDS.items()}
        steps = first_steps(session(), [name for name, door in doors.items() if door.do])
        left = [step for step in steps if step.state != "done"]
        if left:
            cookie[ON_THE_WAY] = True
        else:
            leave()
        return self.page(
            "setup/first_steps.html",
            steps=[(one, WORDS[one.name], _count(one), doors[one.name]) for one in steps],
            left=len(left),
            lacking=any(doors[step.name].do is None for step in left),
            titles={
                name: (number, told.title) for number, (name, told) in enumerate(WORDS.items(), 1)
            },
            people=self._door("Users"),
        )

    def _door(self, name: str, route: str = "add") -> Door:
        view = next((v for v in self.appbuilder.baseviews if type(v).__name__ == name), None)
        if isinstance(view, OfficeListView):
            look, do = view.may("list"), view.may("add")
            return Door(view.url("list") if look else None, view.url(route) if do else None)
        url = address_of(self.appbuilder, name)
        return Door(url, url)


def init_app(app: Flask) -> None:
    """Give templates the way back to the list."""
    app.jinja_env.globals.update(way_back_to_steps=way_back_to_steps)


def way_back_to_steps() -> str | None:
    """The list's address, on the screens of its steps, for who came from it; reads no row."""
    screens = PEOPLE | {told.view for told in WORDS.values()}
    if ON_THE_WAY not in cookie or request.blueprint not in screens:
        return None
    return address_of(current_app.extensions["appbuilder"], "FirstSteps")


def leave() -> None:
    """Forget that somebody was on the way: all is done."""
    cookie.pop(ON_THE_WAY, None)


def _count(step: Step) -> str:
    """What is there, in few characters."""
    return f"{number_text(MOST)}+" if step.count > MOST else number_text(step.count)


def address_of(builder: AppBuilder, name: str) -> str | None:
    """The address of a screen that comes with other parts of the product, if one may see it."""
    view = next((v for v in builder.baseviews if type(v).__name__ == name), None)
    if view is None or not builder.sm.has_access("can_show", view.class_permission_name):
        return None
    return url_for(f"{view.endpoint}.{view.default_view}")
