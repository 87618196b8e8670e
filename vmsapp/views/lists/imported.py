"""Lists whose records can be imported: the way from the list to the import, and back."""

from collections.abc import Sequence
from typing import ClassVar

from vmsapp.views.lists.pages import OfficeListView, view_named


class Imported(OfficeListView):
    """A list that leads to the imports of its records.

    Attributes:
        sheets: The kinds of sheets that bring them.
    """

    sheets: ClassVar[Sequence[str]] = ()

    def imports(self) -> Sequence[tuple[str, str]]:
        """The imports the reader may begin: words and addresses."""
        view = view_named(self.appbuilder, "Imports")
        if not view.may("run"):
            return ()
        offered = dict(view.offered_kinds())
        return [(offered[code], view.url("new", sheet=code, back=type(self).__name__))
                for code in self.sheets if code in offered]  # fmt: skip
