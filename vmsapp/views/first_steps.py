"""First steps: what a new instance still lacks, and where it is done."""

from dataclasses import dataclass
from typing import Final

from flask import url_for
from flask_appbuilder import AppBuilder, expose, has_access, permission_name

from vmsapp.errors import N_
from vmsapp.security import FIRST_STEPS
from vmsapp.services.first_steps import MOST, Step, first_steps
from vmsapp.views.base import OfficeView, session
from vmsapp.views.lists import OfficeListView
from vmsapp.views.look import number_text


@dataclass(frozen=True)
class Words:
    """How a step is put to who does it.

    Attributes:
        view: Class name of the screen where it is done.
        each: It is done for every meter, not once for the utility.
    """

    title: str
    why: str
    view: str
    each: bool = False


WORDS: Final = {
    "region": Words(
        N_("Region"),
        N_("Who may see what follows the regions: a person sees a region with all below it."),
        "Regions",
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
        "Tariffs",
    ),
    "security_module": Words(
        N_("Security module"),
        N_("It makes the tokens, and needs the vending key of your supply group."),
        "SecurityModules",
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
        steps = first_steps(session())
        told = [(step, WORDS[step.name], self._count(step), *self._door(step)) for step in steps]
        left = sum(step.state != "done" for step in steps)
        return self.page("setup/first_steps.html", steps=told, left=left)

    def _count(self, step: Step) -> str:
        """What is there, in few characters."""
        return f"{number_text(MOST)}+" if step.count > MOST else number_text(step.count)

    def _door(self, step: Step) -> tuple[str | None, bool]:
        """Where the step is done or looked at, as far as the asker may; and which of the two."""
        name = WORDS[step.name].view
        view = next((v for v in self.appbuilder.baseviews if type(v).__name__ == name), None)
        if isinstance(view, OfficeListView):
            if step.state != "done" and view.may("add"):
                return view.url("add"), True
            return (view.url("list"), view.may("add")) if view.may("list") else (None, False)
        url = address_of(self.appbuilder, name)
        return url, url is not None


def address_of(builder: AppBuilder, name: str) -> str | None:
    """The address of a screen that comes with other parts of the product, if one may see it."""
    view = next((v for v in builder.baseviews if type(v).__name__ == name), None)
    if view is None or not builder.sm.has_access("can_show", view.class_permission_name):
        return None
    return url_for(f"{view.endpoint}.{view.default_view}")
