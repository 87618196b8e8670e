"""Test tokens: made as a card for any meter of a kind, printed, and listed as they were made."""

from typing import Any, Final

from flask import redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.fieldwidgets import Select2ManyWidget
from flask_babel import get_locale
from sqlalchemy.orm import joinedload, undefer
from werkzeug.wrappers import Response
from wtforms import SelectField, SelectMultipleField

from vmsapp.errors import N_, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import PaperSize, TestToken, VendingPoint
from vmsapp.security import TEST_TOKENS
from vmsapp.services.engineering.meter_tests import ALL_TESTS, card_of, make_card
from vmsapp.sts.nmse import MeterTest
from vmsapp.views.approvals.deeds import DeedForm, a_key, put_refusal
from vmsapp.views.base import actor, session, status_of, utility
from vmsapp.views.engineering.printing import file_of
from vmsapp.views.engineering.slips import card_of as slip_of_card
from vmsapp.views.engineering.words import TESTS, test_name
from vmsapp.views.forms import tidy
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Among, Choice, Days, YesNo, names_of
from vmsapp.views.lists.mine import Mine
from vmsapp.views.lists.pages import Answer, OfficeInterface, names
from vmsapp.views.look import digits

WIDTHS: Final = {"2": N_("Two digits"), "4": N_("Four digits")}
PAPERS: Final = {PaperSize.A4: N_("A4"), PaperSize.ROLL_80: N_("Roll of 80 mm")}


class CardForm(DeedForm):
    """Which tests a card has."""

    width = SelectField(
        _l("Manufacturer code"), choices=list, validate_choice=False,
        description=_l(
            "The first digits of a meter number are its manufacturer's code: two in numbers of 11"
            " digits, four in numbers of 13."
        ),
    )  # fmt: skip
    tests = SelectMultipleField(
        _l("Tests"), coerce=int, choices=list, validate_choice=False, widget=Select2ManyWidget()
    )

    def offer(self) -> None:
        """Offer both widths and all tests."""
        self.width.choices = [(code, str(_(word))) for code, word in WIDTHS.items()]
        self.tests.choices = [(int(test), test_name(test)) for test in ALL_TESTS]


class _OfTest(Choice):
    """One of the tests."""

    def rows(self, value: str) -> Any:  # noqa: ANN401 - a condition
        """Tokens of it."""
        return TestToken.test == int(value)


class TestTokens(Exported):
    """The test tokens made in the asker's region."""

    datamodel = OfficeInterface(TestToken)
    route_base = "/test-tokens"
    class_permission_name = TEST_TOKENS
    base_permissions = names("can_list can_show can_make can_export")
    list_template = "engineering/tests.html"

    list_title = _l("Test tokens")
    list_columns = names("id test digits four_digits made_at made_by vending_point")
    show_columns = names("test digits four_digits made_at made_by vending_point")
    order_columns = names("id made_at")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Number"), "test": _l("What the meter does"), "digits": _l("Token"),
        "four_digits": _l("Four-digit manufacturer code"), "made_at": _l("Made at"),
        "made_by": _l("Made by"), "vending_point": _l("Vending point"),
    }  # fmt: skip
    filters = (
        Days(name="made", label=_l("Made at"), column=TestToken.made_at),
        _OfTest(name="test", label=_l("What the meter does"), column=TestToken.test,
                words={str(int(test)): word for test, word in TESTS.items()}),
        YesNo(name="four", label=_l("Four-digit manufacturer code"),
              column=TestToken.four_digits.is_(True)),
        Mine(name="by", label=_l("Made by"), column=TestToken.made_by_id),
        Among(name="point", label=_l("Vending point"), column=TestToken.vending_point_id,
              model=VendingPoint, text=names_of(VendingPoint, VendingPoint.name)),
    )  # fmt: skip
    loads = (joinedload(TestToken.vending_point), undefer(TestToken.made_by))
    cells = {
        "test": lambda row: test_name(row.test),
        "digits": lambda row: digits(_grouped(row.digits)),
    }
    export_columns = list_columns
    export_cells = {"digits": lambda row: row.digits}
    empty = _l("Test tokens need no key: any meter takes them. Make a card of them to print.")

    def name_of(self, row: TestToken) -> str:
        """What the meter does with it."""
        return test_name(row.test)

    def links(self, row: TestToken) -> list[tuple[str, str]]:
        """The card it is of."""
        return [(str(_("Open the card")), self.url("card", pk=row.id))]

    @expose("/make", methods=["GET", "POST"])
    @has_access
    @permission_name("make")
    def make(self) -> Answer:
        """Choose the tests of a card, and make it."""
        form, status = CardForm(data={"key": a_key(), "width": "2"}), 200
        form.offer()
        if form.is_submitted():
            tidy(form)
            status = 422
            if form.validate():
                chosen = [test for test in MeterTest if int(test) in (form.tests.data or [])]
                try:
                    first = make_card(
                        session(), actor(), form.key.data or "", chosen,
                        four_digits=form.width.data == "4",
                    )  # fmt: skip
                    return redirect(self.url("card", pk=first))
                except VmsError as error:
                    put_refusal(form, error)
                    status = status_of(error)
        else:
            form.tests.data = [int(test) for test in ALL_TESTS]
        page = self._page(
            "engineering/card_form.html", title=_("Make a card of test tokens"), form=form,
            columns=["width", "tests"], back=self.url("list"),
        )  # fmt: skip
        return page, status

    @expose("/card/<int:pk>")
    @has_access
    @permission_name("show")
    def card(self, pk: int) -> Answer:
        """Show a card as it prints."""
        tokens = card_of(session(), pk)
        slip = slip_of_card(tokens, utility(), _language(), self._paper())
        return self._page(
            "engineering/card.html", title=_("Card of test tokens"), slip=slip, pk=pk,
            papers=PAPERS, paper=self._paper(), number=len(tokens),
        )  # fmt: skip

    @expose("/card/<int:pk>/pdf")
    @has_access
    @permission_name("show")
    def pdf(self, pk: int) -> Response:
        """Hand a card over as a file."""
        tokens = card_of(session(), pk)
        slip = slip_of_card(tokens, utility(), _language(), self._paper())
        return file_of(slip, f"test-tokens-{pk}.pdf")

    def _paper(self) -> str:
        asked = request.args.get("paper")
        return next((str(paper) for paper in PAPERS if paper == asked), str(PaperSize.A4))


def _language() -> str:
    return str(get_locale() or "en")


def _grouped(text: str) -> str:
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))
