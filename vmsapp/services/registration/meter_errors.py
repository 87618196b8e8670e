"""What registering, changing and binding meters is refused for, one error a rule.

What is wrong with the number on a meter stands in ``number_errors``.
"""

from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, Refused


class ProductMissing(InvalidInput):
    """No product, or none that is there."""

    code = "meter_product_missing"
    message = N_("Choose the product.")
    field = "product"


class RegionMissing(InvalidInput):
    """No region, or none that the asker sees."""

    code = "meter_region_missing"
    message = N_("Choose a region.")
    field = "region"


class TypeOfProduct(InvalidInput):
    """A meter measures what its product measures."""

    code = "meter_type_of_product"
    message = N_("The product %(product)s measures %(product_type)s, not %(meter_type)s.")
    field = "product"

    def __init__(self, *, product: str, product_type: str, meter_type: str) -> None:
        super().__init__(product=product, product_type=product_type, meter_type=meter_type)


class TariffMissing(InvalidInput):
    """A tariff that is not there."""

    code = "meter_tariff_missing"
    message = N_("There is no such tariff any more. Choose another.")
    field = "tariff"


class TariffOfOtherType(InvalidInput):
    """It prices what the meter does not measure."""

    code = "meter_tariff_type"
    message = N_(
        "The tariff %(tariff)s is for %(tariff_type)s, and this meter measures %(meter_type)s."
    )
    field = "tariff"

    def __init__(self, *, tariff: str, tariff_type: str, meter_type: str) -> None:
        super().__init__(tariff=tariff, tariff_type=tariff_type, meter_type=meter_type)


class TariffRetired(InvalidInput):
    """No meter gets it any more."""

    code = "meter_tariff_retired"
    message = N_("The tariff %(tariff)s is retired. Choose another.")
    field = "tariff"

    def __init__(self, *, tariff: str) -> None:
        super().__init__(tariff=tariff)


class AlgorithmUnknown(InvalidInput):
    """Neither Legacy nor STS6."""

    code = "meter_algorithm_unknown"
    message = N_("The algorithm is Legacy or STS6.")
    field = "algorithm"


class CipherWrong(InvalidInput):
    """A pair of generation and cipher that no meter has."""

    code = "meter_cipher"
    message = N_("A Legacy meter uses EA 07; an STS6 meter EA 07 or EA 11.")
    field = "algorithm"


class SgcWrong(InvalidInput):
    """Not six digits."""

    code = "meter_sgc"
    message = N_("A supply group code has 6 digits.")
    field = "sgc"


class KrnWrong(InvalidInput):
    """Not 1 to 9."""

    code = "meter_krn"
    message = N_("A key revision number is 1 to 9.")
    field = "krn"


class TiWrong(InvalidInput):
    """Not two digits."""

    code = "meter_ti"
    message = N_("A tariff index has 2 digits.")
    field = "ti"


class KtWrong(InvalidInput):
    """Not 0 to 3."""

    code = "meter_kt"
    message = N_("A key type is 0 to 3; most meters have 2.")
    field = "kt"


class BaseDateWrong(InvalidInput):
    """None of the three."""

    code = "meter_base_date"
    message = N_("The base date is 1993, 2014 or 2035.")
    field = "base_date"


class BaseDateOfKey(InvalidInput):
    """Tokens count from where the vending key says."""

    code = "meter_base_date_of_key"
    message = N_("The vending key of supply group %(sgc)s, revision %(krn)s counts from %(year)s.")
    field = "base_date"

    def __init__(self, *, sgc: str, krn: int, year: str) -> None:
        super().__init__(sgc=sgc, krn=krn, year=year)


class TctWrong(InvalidInput):
    """Neither magnetic nor numeric."""

    code = "meter_tct"
    message = N_("The token carrier is 01 (magnetic card) or 02 (number).")
    field = "tct"


class CreditModeUnknown(InvalidInput):
    """Neither units nor money."""

    code = "meter_credit_mode"
    message = N_("A meter is credited with units or with money.")
    field = "credit_mode"


class FixedByToken(InvalidInput):
    """A token was made for the meter: what its key is made of changes by a key change alone."""

    code = "meter_fixed_by_token"
    message = N_(
        "Tokens were made for this meter, so this stays as it is. What the meter holds changes by"
        " a key change; a wrong record is put right with “Correct the record”."
    )

    def __init__(self, field: str) -> None:
        super().__init__()
        self.at = field


class TypeFixed(InvalidInput):
    """What is counted at its place is counted in its units."""

    code = "meter_type_fixed"
    message = N_("The meter is in use, so it goes on measuring what it measures.")
    field = "product"


class MetersBusy(Refused):
    """A token is being made: what it is made of must not change now."""

    code = "meter_sale_underway"
    message = N_("A sale to meter %(number)s is being settled. Try again when it is.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class MeterMoved(Conflict):
    """Somebody bound, unbound or swapped it meanwhile."""

    code = "meter_moved"
    message = N_("Somebody else bound or unbound the meter meanwhile. Look at it, then try again.")


class StateMoved(Conflict):
    """A state from which that deed does not lead on."""

    code = "meter_state_moved"
    message = N_("Meter %(number)s is now “%(state)s”, so this cannot be done.")

    def __init__(self, *, number: str, state: str) -> None:
        super().__init__(number=number, state=state)


class ReasonMissing(InvalidInput):
    """Who blocks a meter says why: it is told at the counter."""

    code = "meter_reason_missing"
    message = N_("Say why. It is shown at the counter.")
    field = "reason"


class StillBound(Refused):
    """A meter that hangs at a consumer's goes from there first."""

    code = "meter_still_bound"
    message = N_("Meter %(number)s is bound to a consumer. Unbind it first, or swap it.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class MeterBound(Refused):
    """A meter has one consumer."""

    code = "meter_bound"
    message = N_("Meter %(number)s is bound to a consumer already.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class MeterUnbound(Refused):
    """There is nothing to end or to swap."""

    code = "meter_unbound"
    message = N_("Meter %(number)s is bound to no consumer.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class MeterRetired(Refused):
    """It is taken back first."""

    code = "meter_retired"
    message = N_("Meter %(number)s is retired. Take it back into stock first.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NoSuchConsumer(NotFound):
    """None, or out of sight: the same answer."""

    code = "no_such_consumer"
    message = N_("There is no such consumer here.")


class ConsumerRetired(Refused):
    """Nothing new is given to who left."""

    code = "consumer_retired"
    message = N_("The consumer %(name)s is retired.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class NoSuchPlace(NotFound):
    """None, or out of sight: the same answer."""

    code = "no_such_service_point"
    message = N_("There is no such service point here.")


class PlaceTaken(Conflict):
    """A meter hangs there."""

    code = "service_point_taken"
    message = N_("A meter hangs at this service point already.")


class OtherKindOfPlace(Refused):
    """Counters of a place are units of one kind."""

    code = "service_point_other_kind"
    message = N_(
        "At this service point %(counted)s was counted, and meter %(number)s measures"
        " %(meter_type)s."
    )

    def __init__(self, *, counted: str, number: str, meter_type: str) -> None:
        super().__init__(counted=counted, number=number, meter_type=meter_type)


class CreditOutOfRange(InvalidInput):
    """Less than nothing, or finer than is counted."""

    code = "meter_credit_out_of_range"
    message = N_("Credit on a meter is 0 or more, in steps of 0.1.")
    field = "credit"


class MeterHasHistory(Refused):
    """It was used: it is retired, not deleted."""

    code = "meter_has_history"
    message = N_("Meter %(number)s has been in use. Retire it instead: its history is kept.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class ProductOfOtherMaker(InvalidInput):
    """A warning: the number begins with another manufacturer's code than the product's."""

    code = "meter_other_maker"
    message = N_(
        "Meter %(number)s begins with the manufacturer code %(code)s; those of %(product)s begin"
        " with %(wanted)s. Check that the product is right."
    )
    field = "number"

    def __init__(self, *, number: str, code: str, product: str, wanted: str) -> None:
        super().__init__(number=number, code=code, product=product, wanted=wanted)


class TariffLacking(InvalidInput):
    """A warning: it was registered without a tariff."""

    code = "meter_tariff_lacking"
    message = N_("Meter %(number)s has no tariff yet. Nothing can be sold to it before it has one.")
    field = "tariff_id"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class KeyLacking(InvalidInput):
    """A warning: the module that serves the algorithm has no such key yet."""

    code = "meter_key_lacking"
    message = N_(
        "No security module holds a vending key for supply group %(sgc)s, revision %(krn)s."
        " Nothing can be sold to meter %(number)s until it is loaded."
    )
    field = "sgc"

    def __init__(self, *, number: str, sgc: str, krn: int) -> None:
        super().__init__(number=number, sgc=sgc, krn=krn)
