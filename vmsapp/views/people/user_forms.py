"""The forms in which users are written down."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from werkzeug.security import generate_password_hash
from wtforms import BooleanField, PasswordField, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, Length, Optional, Regexp

from vmsapp.i18n import _, _l
from vmsapp.models import OfficeUser, Region, VendingPoint
from vmsapp.models.user import Role
from vmsapp.security import NOBODY
from vmsapp.services.passwords import LONGEST, SHORTEST
from vmsapp.services.sign_in import NO_PASSWORD
from vmsapp.views.base import actor, session
from vmsapp.views.forms import LookupField, OfficeForm, of_length
from vmsapp.views.people.account import language_choices
from vmsapp.views.words import group_name

ACCOUNT: Final = re.compile(r"[\w.@+-]{1,64}\Z")
ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\Z")  # a name on this machine is one, too


def of_one_alphabet(_form: OfficeForm, field: StringField) -> None:
    """Refuse a name that only looks like another: letters in odd widths, or of two alphabets."""
    name = field.data or ""
    alphabets = {unicodedata.name(mark, "?").split()[0] for mark in name if mark.isalpha()}
    mixed = "LATIN" in alphabets and len(alphabets) > 1
    if mixed or unicodedata.normalize("NFKC", name) != name:
        raise ValidationError(_("Use letters of one alphabet, in their ordinary form."))


class UserForm(OfficeForm):
    """Who it is, what the person may do, and where."""

    username = StringField(
        _l("Username"),
        [
            DataRequired(),
            Regexp(ACCOUNT, message=_l("Letters, digits and . _ - @ + only.")),
            of_one_alphabet,
        ],
        description=_l("What the person signs in with; it cannot be used twice."),
    )
    first_name = StringField(_l("First name"), [DataRequired(), Length(max=64)])
    last_name = StringField(_l("Last name"), [DataRequired(), Length(max=64)])
    email = StringField(
        _l("E-mail"),
        [
            DataRequired(),
            Length(max=320),
            Regexp(ADDRESS, message=_l("This is no e-mail address.")),
        ],
    )
    group = SelectField(
        _l("User group"), [DataRequired(_l("Choose a user group."))], choices=list,
        description=_l("What the person may do."),
    )  # fmt: skip
    region = LookupField(
        _l("Region"), [Optional()], model=Region, endpoint="Regions.lookup",
        description=_l(
            "The person sees consumers and meters of this region and all below it. Leave it empty"
            " only for somebody who sees all regions."
        ),
    )  # fmt: skip
    vending_point = LookupField(
        _l("Vending point"), [Optional()], model=VendingPoint, endpoint="VendingPoints.lookup",
        description=_l(
            "With one, only what is sold there is seen, and sales are made there. Whoever sells"
            " should have one; without it every vending point of the region can be chosen at the"
            " counter."
        ),
    )  # fmt: skip
    all_regions = BooleanField(
        _l("Sees all regions"), description=_l("For administrators and auditors of the utility.")
    )
    language = SelectField(_l("Language"), choices=list)

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.group.choices = [("", ""), *((group.name, group_name(group)) for group in groups())]
        self.language.choices = language_choices()
        self.region.flags.needed = True  # but for who sees all regions
        if not actor().sight.everything:
            del self.all_regions
            self.region.flags.required = True
            self.region.description = _(
                "The person sees consumers and meters of this region and all below it."
            )

    def populate_obj(self, obj: OfficeUser) -> None:
        """Set the columns, and the group by its name."""
        for name, field in self._fields.items():
            if name == "group":
                obj.roles = [session().scalars(select(Role).where(Role.name == field.data)).one()]
            elif name == "language":
                obj.language = field.data or None
            elif hasattr(OfficeUser, name) and name != "password":
                field.populate_obj(obj, name)


class NewUserForm(UserForm):
    """The same, with a first password for who is to have one."""

    password = PasswordField(
        _l("First password"), [Optional(), of_length(SHORTEST, LONGEST)],
        description=_l(
            "Leave it empty to get a one-time code for the person. A password you give must be"
            " changed at the first sign-in."
        ),
    )  # fmt: skip

    def populate_obj(self, obj: OfficeUser) -> None:
        """Keep the password's hash alone; without a password nobody signs in yet."""
        super().populate_obj(obj)
        given = self.password.data
        obj.active, obj.must_change_password = True, bool(given)
        obj.password = generate_password_hash(given) if given else NO_PASSWORD


class ChangedUserForm(UserForm):
    """The same, for somebody who is there."""

    active = BooleanField(
        _l("Active"),
        description=_l("Who is suspended cannot sign in; everything done stays on record."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        if not actor().may("suspend", "UserDBModelView"):
            del self.active


def groups() -> Sequence[Role]:
    """The user groups people may be put into."""
    return session().scalars(select(Role).where(Role.name != NOBODY).order_by(Role.name)).all()
