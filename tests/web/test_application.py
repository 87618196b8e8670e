"""What an application is made of, whatever it then serves."""

import gc

import pytest

from config import Settings
from vmsapp import create_app


def test_what_is_loaded_is_left_out_of_later_collections(settings: Settings) -> None:
    gc.unfreeze()
    create_app(settings)
    assert gc.get_freeze_count() > 100_000
    assert gc.isenabled()


def test_who_made_the_collector_rest_finds_it_at_rest(settings: Settings) -> None:
    gc.disable()
    try:
        create_app(settings)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_start_that_fails_leaves_the_collector_at_work(settings: Settings) -> None:
    with pytest.raises(AttributeError):
        create_app(settings.model_copy(update={"instance": None}))
    assert gc.isenabled()
