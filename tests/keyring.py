"""A module whose meters can change their keys, and meters that obey what it makes.

The keys of ``factories`` cannot change into anything; these can, each as its name says.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import update

from tests.factories import CHEAP_N, LEGACY_SGC, PASSPHRASE, STS6_SGC
from tests.faults import FaultyModule
from tests.shop import Shop
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import Keystore, NewKey
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import KeyRef
from vmsapp.hsm.results import Results
from vmsapp.models import KeyChange, Meter, Product
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.key_changes import answers, settle
from vmsapp.services.key_changes.answers import Refusal, Taken
from vmsapp.services.key_changes.planning import Wish
from vmsapp.services.key_changes.start import start
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.sts import dkga
from vmsapp.sts.identifiers import BaseDate, KeyType
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.meter import VirtualMeter
from vmsapp.sts.secret import SecretBytes

OTHER_SGC = "990077"
"""A supply group that meters of the first may move to, and back."""
FACTORY_SGC = "000000"

VALUES = {
    KeyRef(LEGACY_SGC, 1, 2, "02"): "0dfe450851baf80e",
    KeyRef(LEGACY_SGC, 2, 2, "02"): "1c2f3b4a5d6e7f80",
    KeyRef(OTHER_SGC, 1, 2, "02"): "2ab3c4d5e6f70813",
    KeyRef(FACTORY_SGC, 1, 0, "02"): "3b4c5d6e7f80919d",
    KeyRef(STS6_SGC, 1, 2, "04"): "2f53480b0c327710bf945ac2b7dc39bae8b34b6f",
    KeyRef(STS6_SGC, 2, 2, "04"): "00112233445566778899aabbccddeeff01234567",
    KeyRef(STS6_SGC, 3, 2, "04"): "ffeeddccbbaa99887766554433221100fedcba98",
    KeyRef(LEGACY_SGC, 1, 2, "04"): "0102030405060708090a0b0c0d0e0f1011121314",
}
BECOME_STS6 = {KeyRef(LEGACY_SGC, 2, 2, "04"): "1f1e1d1c1b1a191817161514131211100f0e0d0c"}
"""Where Legacy meters become STS6 under a new revision at once; not in every ring."""
LATER = {KeyRef(STS6_SGC, 3, 2, "04"): BaseDate.Y2035}
LEADS = {
    KeyRef(LEGACY_SGC, 1, 2, "02"): ((LEGACY_SGC, 2), (OTHER_SGC, 1), (LEGACY_SGC, 1)),
    KeyRef(LEGACY_SGC, 2, 2, "02"): ((LEGACY_SGC, 1),),
    KeyRef(OTHER_SGC, 1, 2, "02"): ((LEGACY_SGC, 1),),
    KeyRef(FACTORY_SGC, 1, 0, "02"): ((LEGACY_SGC, 1),),
    KeyRef(STS6_SGC, 1, 2, "04"): ((STS6_SGC, 2), (STS6_SGC, 3)),
    KeyRef(STS6_SGC, 2, 2, "04"): ((STS6_SGC, 1),),
    KeyRef(STS6_SGC, 3, 2, "04"): ((STS6_SGC, 1),),
    KeyRef(LEGACY_SGC, 1, 2, "04"): ((LEGACY_SGC, 1),),
    KeyRef(LEGACY_SGC, 2, 2, "04"): ((LEGACY_SGC, 1),),
}


def odd(value: bytes) -> bytes:
    """Give every byte an odd number of ones, as DES keys have."""
    return bytes(byte & 0xFE | (bin(byte >> 1).count("1") + 1) % 2 for byte in value)


def value_of(ref: KeyRef) -> bytes:
    """The vending key of a name."""
    value = bytes.fromhex((VALUES | BECOME_STS6)[ref])
    return odd(value) if ref.dkga == "02" else value


def make_ring(folder: Path, more: Iterable[KeyRef] = ()) -> Keystore:
    """A keystore of all these keys, and some more."""
    store = Keystore.create(folder / "ring.json", SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N)
    for ref in (*VALUES, *more):
        store.add(
            NewKey(
                ref, LATER.get(ref, BaseDate.Y2014), 255, f"Group {ref}", demo=False,
                value=SecretBytes(value_of(ref)), changes_to=LEADS[ref],
            )
        )  # fmt: skip
    return store


@contextmanager
def soft_module(store: Keystore, blank_record: Path, folder: Path) -> Iterator[FaultyModule]:
    """The embedded module with some keys, a record of its own, no limits, and faults to plan."""
    shutil.copyfile(blank_record, folder / "results.sqlite")
    results = Results(folder / "results.sqlite")
    yield FaultyModule(SoftModule(store, results, limits=Limits(None, None)))
    results.close()


def meter_in_the_field(row: Meter) -> VirtualMeter:
    """The meter that a row speaks of, with the key inside that the row says it has."""
    generation = "02" if row.algorithm == "legacy" else "04"
    ref = KeyRef(row.sgc, row.krn, row.kt, generation)
    parameters = KeyParameters(
        meter_pan=row.meter_pan, sgc=row.sgc, krn=row.krn, kt=row.kt, ti=row.ti,
        base_date=BaseDate(row.base_date), dkga=generation, ea=row.ea,
    )  # fmt: skip
    key = dkga.derive(VendingKey(generation, value_of(ref)), parameters)
    return VirtualMeter(
        SecretBytes(key.reveal()), kt=KeyType(row.kt), krn=row.krn, ti=int(row.ti), drn=row.drn
    )


def failed_change(shop: Shop, name: str) -> int:
    """A key change of a meter that came to nothing: its id; nothing else follows from it."""
    row = shop.meter(name)
    sides = {
        f"{which}_{part}": getattr(row, part)
        for which in ("old", "new") for part in ("sgc", "krn", "kt", "ti", "base_date")
    }  # fmt: skip
    change = KeyChange(
        meter_id=row.id, meter_pan=row.meter_pan, state="failed", failure="key_closed",
        form_key=f"failed-{name}", body_hash="0" * 64, reason="x", **sides, old_ken=255,
        new_ken=255, old_dkga="02", new_dkga="02", ea=row.ea, tct=row.tct, three_tokens=False,
        table_set="production", request_id=f"K-{name}", module_id=shop.utility.module_id,
        reserved_at=shop.clock(), closed_at=shop.clock(),
    )  # fmt: skip
    shop.change(lambda session: session.add(change))
    return change.id


class KeyShop:
    """Changes keys in a shop, as somebody, with a session of its own for each deed."""

    def __init__(self, shop: Shop, by: str) -> None:
        self.shop = shop
        self.by = by
        with shop.session() as session, seen_by(SYSTEM):
            copy_key_list(session, shop.registry, SYSTEM, shop.utility.module_id)

    def wish(self, meter: str, **to) -> Wish:
        """What is wished for: the meter's own key, but for what is said."""
        row = self.shop.meter(meter)
        plain = {
            "sgc": row.sgc, "krn": row.krn, "kt": row.kt, "ti": row.ti,
            "dkga": "02" if row.algorithm == "legacy" else "04", "reason": "new tariff",
        }  # fmt: skip
        return Wish(row.id, **plain | to)

    def start(self, meter: str, key: str = "form-1", *, by: str = "", weather=(), **to):
        """Have a set made."""
        wish = self.wish(meter, **to)
        return self.do(
            lambda session, actor: start(
                session, self.shop.registry, actor, wish, key, table_set="production"
            ),
            by, weather,
        )  # fmt: skip

    def withdraw(self, change, *, by: str = ""):
        return self.do(lambda session, actor: settle.withdraw(session, actor, change.id), by)

    def confirm(
        self, change, proof: str = "test_tokens", krn=None, ti="", *, by: str = "", cleared=True
    ):
        taken = Taken(proof, krn, ti, cleared=cleared)
        return self.do(lambda session, actor: answers.confirm(session, actor, change.id, taken), by)

    def refuse(self, change, krn, ti, *, key="form-back", entered=False, reason="CRC", by=""):
        refusal = Refusal(krn, ti, reason, entered)
        return self.do(
            lambda session, actor: answers.refuse(
                session, self.shop.registry, actor, change.id, refusal, key,
                table_set="production",
            ),
            by,
        )  # fmt: skip

    def do(self, deed, by: str = "", weather=()):
        actor = self.shop.actor(by or self.by)
        with self.shop.session() as session, seen_by(actor):
            session.weather = list(weather)
            return deed(session, actor)

    def set_meter(self, name: str, **values) -> None:
        """Change a meter's row behind the product's back."""
        if not values:
            return
        self.shop.change(
            lambda session: session.execute(
                update(Meter).where(Meter.id == self.shop.utility.meters[name]).values(**values)
            )
        )

    def let_become_sts6(self) -> None:
        """Say of all products that their meters can be taken to STS6."""
        self.shop.change(
            lambda session: session.execute(update(Product).values(can_become_sts6=True))
        )
