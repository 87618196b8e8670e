"""Keys in a token: what stays inside, and what threads, forks and wrong PINs do."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pkcs11 as library
import pytest
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error

from tests.unit.hsm.drivers import PIN, SOFTHSM, VALUES, pkcs11, softhsm_token
from tests.unit.hsm.hsm_cases import DIGITS, REF02, REF04, TID, VK02, VK04, key, request_of
from vmsapp.hsm.drivers.pkcs11 import token as token_module
from vmsapp.hsm.drivers.pkcs11.keystore import TokenKeystore
from vmsapp.hsm.drivers.pkcs11.token import ROOT_LABEL, Token
from vmsapp.hsm.errors import HsmUnavailable, KeystoreError
from vmsapp.sts.secret import SecretBytes

pytestmark = pytest.mark.softhsm


@pytest.fixture
def driver(tmp_path):
    with pkcs11(tmp_path) as opened:
        yield opened


@pytest.fixture
def token():
    opened = Token(SOFTHSM, softhsm_token(), SecretBytes(PIN))
    yield opened
    opened.close()


def why(call, *args, **named):
    with pytest.raises(HsmUnavailable) as unavailable:
        call(*args, **named)
    return unavailable.value.why


def test_each_key_says_what_keeps_it(driver):
    kept = {info.ref: info.protection for info in driver.module.list_keys()}
    assert kept == {ref: "wrapped" if ref.dkga == "02" else "hsm" for ref in VALUES}


def test_an_sts6_key_never_leaves_the_token(driver):
    device = library.lib(str(SOFTHSM)).get_token(token_label=softhsm_token())
    with device.open() as session:
        objects = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))
        labels = {found[Attribute.LABEL] for found in objects}
        assert f"sts/{REF04}" in labels
        for found in objects:
            assert found[Attribute.EXTRACTABLE] is False
            with pytest.raises(PKCS11Error):
                found[Attribute.VALUE]


def test_no_key_lies_open_in_the_keystore_file(driver, tmp_path):
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert REF02.sgc.encode() in raw, "the file was read"
    for value in VALUES.values():
        assert value.encode() not in raw.lower()
        assert bytes.fromhex(value) not in raw
    assert PIN not in raw


def test_a_removed_key_is_gone_from_the_token_too(driver, token):
    driver.module.remove_key(REF04, actor="test")
    device = library.lib(str(SOFTHSM)).get_token(token_label=softhsm_token())
    with device.open() as session:
        left = [found[Attribute.LABEL] for found in session.get_objects()]
    assert f"sts/{REF04}" not in left
    # and put back, for the end of the test
    store = TokenKeystore.of(driver.again()._source._keystore._path, token)
    store.add(key())


def test_a_key_is_known_again_by_its_value_though_it_lies_in_the_token(driver):
    store = driver.again()._source._keystore
    for ref, value in ((REF04, VK04), (REF02, VK02)):
        with pytest.raises(KeystoreError) as known:
            store.add(key(ref, value))
        assert known.value.why == "key_loaded"
    with pytest.raises(KeystoreError) as other:
        store.add(key(REF04, VK04[::-1]))
    assert other.value.why == "key_conflict"


def test_eight_threads_make_the_same_tokens_as_one(driver):
    """SoftHSM crashes the process when threads have sessions of their own.

    Fewer than the identifiers a meter remembers: however late a thread comes, its own is not
    too old.
    """
    count = 48

    def ask(number):
        return driver.module.issue_credit(request_of(f"s-{number}", tid=TID + number)).digits

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(ask, range(count)))
    assert made[0] == DIGITS
    assert len(set(made)) == count


def test_two_keystores_in_one_process_share_the_login(driver):
    assert driver.again().issue_credit(request_of("one")).digits == DIGITS
    assert driver.module.issue_credit(request_of("one")).digits == DIGITS


@pytest.mark.processes
def test_a_forked_child_opens_the_token_anew(driver, token):
    parent = token.hmac(ROOT_LABEL, b"message")
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)

    def in_child():
        writer.send(token.hmac(ROOT_LABEL, b"message"))

    child = context.Process(target=in_child)
    child.start()
    assert reader.recv() == parent
    child.join(60)
    assert child.exitcode == 0
    assert token.hmac(ROOT_LABEL, b"message") == parent


def test_a_wrong_pin_is_tried_once(monkeypatch):
    tried = []
    real = token_module._session_on

    def counted(device, pin):
        tried.append(pin)
        return real(device, pin)

    monkeypatch.setattr(token_module, "_session_on", counted)
    for _ in range(3):
        wrong = Token(SOFTHSM, softhsm_token(), SecretBytes(b"wrong-pin"))
        assert why(wrong.prepare) == "secret"
        assert "wrong-pin" not in repr(wrong)
    assert len(tried) == 1


def test_what_is_not_there_is_named(tmp_path):
    softhsm_token()
    assert why(Token(SOFTHSM, "no such token", SecretBytes(PIN)).prepare) == "unreachable"
    missing = tmp_path / "no-library.so"
    assert why(Token(missing, "any", SecretBytes(PIN)).prepare) == "hardware"


def test_a_key_gone_from_the_token_says_nothing_of_the_request(driver):
    store = driver.module._source._keystore
    _, object_id = store.in_token(REF04)
    store.token.destroy(object_id)
    assert why(driver.module.issue_credit, request_of()) == "hardware"
    assert driver.module.fetch_result("sale-1-1") is not None
    store.token.keep(object_id, f"sts/{REF04}", bytes.fromhex(VK04))
    assert driver.module.issue_credit(request_of()).digits == DIGITS


def test_what_was_sealed_by_the_token_opens_with_the_same_name_alone(token):
    token.prepare()
    sealed = token.seal(b"five loaves", aad=b"bread")
    assert token.unseal(sealed, aad=b"bread") == b"five loaves"
    assert why(token.unseal, sealed, aad=b"fish") == "hardware"
    assert why(token.unseal, sealed[:-1] + bytes([sealed[-1] ^ 1]), aad=b"bread") == "hardware"
