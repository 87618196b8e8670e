"""Words for security modules: how one is, what to do about it, what its keys are."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from flask import current_app, flash
from flask_babel import gettext, ngettext
from markupsafe import Markup

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.hsm.answers import KeyVerdict
from vmsapp.hsm.key_file import VERDICTS
from vmsapp.i18n import _, date_text
from vmsapp.models import Algorithm, ModuleHealth, SecurityModule, VendingKey
from vmsapp.services.security_modules.health import (
    DRIFT_SECONDS,
    INHIBIT_WARNING,
    OTHER_MODULE,
    QUIET,
    TOKENS_LOW,
    WARN_DAYS,
    Ending,
    endings,
    ends_at,
)
from vmsapp.views.base import session
from vmsapp.views.look import icon, number_text
from vmsapp.views.modules.advice import advice_said, why_said
from vmsapp.views.modules.serving import lacks, lacks_said
from vmsapp.views.words import ALGORITHMS

KINDS_OF_METERS: Final = {kind.dkga: kind.value for kind in Algorithm}
WARNED_OF: Final = 3
"""Keys that are named after signing in; the list of modules names them all."""

DRIVERS: Final = {
    "soft": N_("On this server"),
    "tcp": N_("Module server"),
    "pkcs11": N_("Token of this server (PKCS#11)"),
    "prism": N_("PrismToken"),
}
KEY_TYPES: Final = {
    0: N_("0, initialisation (DITK)"),
    1: N_("1, default (DDTK)"),
    2: N_("2, unique (DUTK)"),
    3: N_("3, common (DCTK)"),
}
PROTECTIONS: Final = {
    "process": N_("Sealed file"),
    "wrapped": N_("Sealed by hardware"),
    "hsm": N_("In hardware"),
}
"""What keeps a single key, in two words; the page says the rest with ``OF_DRIVER``."""
BEHIND_OUR_SERVER: Final = N_("In a process of its own on this server")
"""Where the keys of the embedded module are while its module server runs."""
IN_OUR_PROCESSES: Final = N_("In the web server and the worker themselves")
"""Where they are without it."""
OF_OUR_SERVER: Final = N_(
    "Keys are sealed at rest and open in the memory of that process alone, which gives out tokens"
    " and never a key. A software module is not certified by the STS Association."
)
OF_DRIVER: Final = {
    "soft": N_(
        "Keys are sealed at rest and open in the memory of the web server and the worker. A"
        " software module is not certified by the STS Association."
    ),
    "tcp": N_(
        "Keys are open in the memory of the module server alone, which gives out tokens and never"
        " a key. A software module is not certified by the STS Association."
    ),
    "pkcs11": N_(
        "STS6 keys never leave the hardware. Legacy keys are only sealed at rest. The module is"
        " not certified by the STS Association."
    ),
    "prism": N_("Keys never leave the hardware behind PrismToken."),
}
"""What keeps keys safe, in plain words."""

ALERTS: Final = {
    "tokens_left": N_("Its licence is enough for ten days at most. Fill it up."),
    "inhibit_date": N_("It stops making tokens before long. Ask its maker for a new licence."),
    "clock_drift": N_("Its clock is wrong. Have it set."),
    OTHER_MODULE: N_(
        "Another module answers there than the one that was added. Look at the address, and at"
        " what was changed on the server."
    ),
}

STAGES: Final = (N_("Where it is"), N_("Test the connection"), N_("Name"), N_("Key file"))
"""What stands above the pages on the way to a new module."""


CONDITIONS: Final[Mapping[str, tuple[str, str | None, str]]] = {
    "retired": (N_("Retired"), None, "info"),
    "unknown": (N_("Not asked yet"), "warn", "warning"),
    "locked": (N_("Locked"), "bad", "lock"),
    "silent": (N_("Does not answer"), "bad", "alert"),
    "unwatched": (N_("Not asked lately"), "warn", "warning"),
    "attention": (N_("Needs attention"), "warn", "warning"),
    "well": (N_("Works"), "good", "check"),
}
"""How a module may be: the word, its tone, its icon."""


def stages() -> list[str]:
    """The stages in the reader's language."""
    return [str(gettext(stage)) for stage in STAGES]


def driver_word(code: str) -> str:
    """Say where keys live."""
    if code == "soft":
        return str(gettext(BEHIND_OUR_SERVER if _our_server_runs() else IN_OUR_PROCESSES))
    return str(gettext(DRIVERS[code]))


def protection_word(code: str) -> str:
    """Say what keeps keys safe there."""
    behind = code == "soft" and _our_server_runs()
    return str(gettext(OF_OUR_SERVER if behind else OF_DRIVER[code]))


def _our_server_runs() -> bool:
    return bool(current_app.extensions["vms_settings"].module_server)


def condition(row: SecurityModule) -> str:
    """Tell how a module is, as one of ``CONDITIONS``."""
    return "attention" if answering(row) == "well" and lacks(row) else answering(row)


def answering(row: SecurityModule) -> str:
    """The same, whichever keys it lacks: whether it answers, as far as is known."""
    if row.retired_at is not None:
        return "retired"
    health = row.health
    if health is None or (health.seen_at is None and health.failed_at is None):
        return "unknown"
    if health.failed_at is not None:
        return "locked" if health.failed_why == "locked" else "silent"
    if health.locked:
        return "locked"
    if _unwatched(health):
        return "unwatched"
    return "attention" if attention(health) else "well"


def condition_said(row: SecurityModule) -> Markup:
    """Write how a module is: an icon, the word, and a colour that only repeats it."""
    return state_said(condition(row))


def state_said(code: str) -> Markup:
    """Write one of ``CONDITIONS``."""
    word, tone, drawn = CONDITIONS[code]
    look = f"state tone-{tone}" if tone else "state"
    return Markup('<span class="{}">{} {}</span>').format(
        look, icon(drawn, "icon icon-small"), gettext(word)
    )


def troubles(row: SecurityModule) -> list[tuple[str, str]]:
    """Say what is wrong with a module and what to do: tone and sentences."""
    missing = [("warning", text) for text in lacks_said(row)]
    return _of_itself(row) + (missing if row.retired_at is None else [])


def _of_itself(row: SecurityModule) -> list[tuple[str, str]]:
    health = row.health
    match condition(row):
        case "retired":
            return []
        case "unknown":
            return [("warning", str(_("Nobody has asked this module yet. Press “Test now”.")))]
        case "silent" | "locked":
            why = (health and health.failed_why) or "locked"
            return [("danger", f"{why_said(why)} {advice_said(why)}".strip())]
        case "unwatched":
            asked = _(
                "The module was not asked for more than %(minutes)s minutes: the worker does not"
                " run. Start it, or press “Test now”.",
                minutes=int(QUIET.total_seconds() // 60),
            )
            return [("warning", str(asked))]
    return [("warning", text) for text in attention(health)] if health else []


def attention(health: ModuleHealth) -> list[str]:
    """Say what somebody should see to though the module answers."""
    said = [str(gettext(ALERTS[code])) for code in health.alerts if code in ALERTS]
    others = [code for code in health.alerts if code not in ALERTS]
    if others:
        said.append(str(_("The module itself reports: %(codes)s.", codes=", ".join(others))))
    drift, left, until = health.drift_seconds or 0, health.tokens_left, health.inhibited_from
    if abs(drift) >= DRIFT_SECONDS:
        apart = _(
            "Its clock and ours lie %(seconds)s seconds apart, and nothing is sold until both are"
            " set right.",
            seconds=number_text(abs(drift)),
        )
        said.append(str(apart))
    if left is not None and left < TOKENS_LOW and "tokens_left" not in health.alerts:
        few = _("It makes only %(left)s more tokens. Fill its licence up.", left=number_text(left))
        said.append(str(few))
    soon = until is not None and until - now_utc() < INHIBIT_WARNING
    if until is not None and soon and "inhibit_date" not in health.alerts:
        said.append(str(_("It makes no more tokens from %(day)s on.", day=_day(until))))
    return said


def _unwatched(health: ModuleHealth) -> bool:
    return health.seen_at is not None and now_utc() - health.seen_at > QUIET


def ending_said(ending: Ending) -> str:
    """Say that a key ends before long, whom that concerns and what to do."""
    values = {
        "sgc": ending.key.sgc, "krn": ending.key.krn, "module": ending.key.module.name,
        "day": _day(ending.ends_at),
    }  # fmt: skip
    if ending.days < 0:
        ends = _(
            "The key of supply group %(sgc)s, revision %(krn)s in “%(module)s” ended on %(day)s.",
            **values,
        )
    else:
        ends = ngettext(
            "The key of supply group %(sgc)s, revision %(krn)s in “%(module)s” ends in %(num)s"
            " day, on %(day)s.",
            "The key of supply group %(sgc)s, revision %(krn)s in “%(module)s” ends in %(num)s"
            " days, on %(day)s.",
            ending.days,
            **values,
        )
    if not ending.meters:
        unused = _("No meter uses it.")
        return f"{ends} {unused}"
    use = ngettext(
        "%(count)s meter uses it: ask the key management centre for a new key in time.",
        "%(count)s meters use it: ask the key management centre for a new key in time.",
        ending.meters,
        count=number_text(ending.meters),
    )
    return f"{ends} {use}"


def warn_of_keys() -> None:
    """Say once, after signing in, which keys that meters use end before long, or just have."""
    used = [one for one in endings(session()) if one.meters and one.days >= -WARN_DAYS[0]]
    for one in used[:WARNED_OF]:
        flash(ending_said(one), "warning")


def ending_tone(ending: Ending) -> str:
    """How urgent it is: 90, 30 and 7 days ahead."""
    if not ending.meters:
        return "info"
    return {90: "info", 30: "warning", 7: "danger"}[ending.within]


def nearest_end(keys: Sequence[VendingKey]) -> date | None:
    """The day on which the first of some keys ends."""
    return min((ends_at(key).date() for key in keys), default=None)


def verdict_said(verdict: KeyVerdict) -> str:
    """Say what to know of one key of a file."""
    if verdict.code not in VERDICTS:
        return verdict.code
    return str(gettext(VERDICTS[verdict.code], **dict(verdict.params)))


def algorithm_said(dkga: str) -> str:
    """Name the kind of meters a key is for."""
    kind = gettext(ALGORITHMS[KINDS_OF_METERS[dkga]])
    return str(_("%(algorithm)s (DKGA %(dkga)s)", algorithm=kind, dkga=dkga))


def limits_said(key: Any) -> str:  # noqa: ANN401 - a row, or what a module lists
    """Say how much a key may give in a day."""
    said = []
    if key.tenths_per_day is not None:
        units = number_text(key.tenths_per_day // 10)
        said.append(str(_("%(units)s units a day", units=units)))
    if key.tokens_per_day is not None:
        tokens = number_text(key.tokens_per_day)
        said.append(str(_("%(tokens)s tokens a day", tokens=tokens)))
    return ", ".join(said) or str(_("No limit"))


def _day(moment: datetime) -> str:
    return date_text(moment.date(), "long")
