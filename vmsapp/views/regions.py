"""Regions, as a list to search."""

from sqlalchemy.orm import joinedload

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import Consumer, Region
from vmsapp.views.filters import Choice
from vmsapp.views.lists import OfficeInterface, OfficeListView, Related, names

LEVELS = {
    "country": N_("Country"), "province": N_("Province or state"), "city": N_("City or town"),
}  # fmt: skip


class Regions(OfficeListView):
    """The regions the asker sees."""

    datamodel = OfficeInterface(Region)
    route_base = "/regions"

    list_title = _l("Regions")
    list_columns = names("name level parent")
    show_columns = names("name level parent")
    order_columns = names("name level")
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Name"), "level": _l("Level"), "parent": _l("Belongs to"),
    }  # fmt: skip
    searched = (Region.name,)
    filters = (Choice(name="level", label=_l("Level"), column=Region.level, words=LEVELS),)
    loads = (joinedload(Region.parent),)
    cells = {"level": lambda region: _(LEVELS[region.level])}
    related = (Related("Consumers", "region", Consumer.region_id),)
