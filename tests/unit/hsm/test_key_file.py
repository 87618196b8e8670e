"""Key files: what the whole file is refused for, in the order it is refused."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.unit.hsm import vkf_cases as cases
from tests.unit.hsm.hsm_cases import REF02, key
from tests.unit.hsm.vkf_cases import blob_of, described, file_of, members_of, signed
from vmsapp.hsm.errors import KeyFileRefused, KeystoreError
from vmsapp.hsm.key_file import REFUSALS, VERDICTS, reading, writing
from vmsapp.hsm.key_file.kmc import crc16_modbus
from vmsapp.sts.secret import SecretBytes

pytestmark = pytest.mark.usefixtures("cheap_opening")

MODULE = "VSM-3F2A91"
TRUSTED = {"Key office": cases.public(cases.SIGNER)}
SMID = b"SMID.1:Prism:94001632:20210204T081427Z:039F2C48F2030174:AEEA"


@pytest.fixture
def secret():
    return SecretBytes(cases.PASSPHRASE)


def everything(blob, passphrase=cases.PASSPHRASE, *, trusted=None, module=MODULE):
    """Do all that is done with a file before its keys are judged."""
    found = reading.read(blob)
    reading.check_signer(found, trusted or {})
    reading.check_target(found, module)
    return reading.open_keys(found, SecretBytes(passphrase))


def refusal(blob, passphrase=cases.PASSPHRASE, **options):
    with pytest.raises(KeyFileRefused) as refused:
        everything(blob, passphrase, **options)
    assert refused.value.why in REFUSALS
    assert "%(" not in str(refused.value)
    return refused.value.why


def values(blob):
    return [entry.key.value.reveal().hex() for entry in everything(blob)]


def test_a_file_built_by_the_description_alone_opens():
    legacy = described(cases.VK02, sgc="758513", krn=7)
    assert values(file_of(described(), legacy)) == [cases.VK04, cases.VK02]


def test_every_bound_of_a_key_is_read():
    told = described(
        cases.VK02, demo=True, act="2026-12-01T00:00:00Z", iut="2027-12-01T00:00:00Z",
        ulm=50_000, tlm=200, allow_kct_to=[["600675", 2], ["600676", 1]],
    )  # fmt: skip
    (entry,) = everything(file_of(told))
    for had in (entry.info, entry.key):
        assert had.demo
        assert had.active_from.isoformat() == "2026-12-01T00:00:00+00:00"
        assert had.issue_until.isoformat() == "2027-12-01T00:00:00+00:00"
        assert (had.tenths_per_day, had.tokens_per_day) == (50_000, 200)
        assert had.changes_to == (("600675", 2), ("600676", 1))
    assert entry.info.kcv == told["kcv"]


def test_the_preview_needs_no_passphrase_and_shows_no_key():
    found = reading.read(blob_of(signed(members_of(target=MODULE))))
    shown = reading.preview(found, reading.check_signer(found, TRUSTED))
    assert (shown.file_id, shown.target, shown.signer) == ("file-1", MODULE, "Key office")
    assert shown.created.isoformat() == "2026-11-20T08:00:00+00:00"
    assert [(str(info.ref), info.kcv, info.name) for info in shown.keys] == [
        ("201457/1/2/04", cases.sha_kcv(cases.VK04), "Riverside")
    ]
    assert cases.VK04 not in repr(shown)


def test_the_example_of_the_documentation_is_one():
    page = (Path(__file__).parents[3] / "docs" / "key-files.md").read_text()
    (line,) = (line for line in page.splitlines() if line.startswith('{"created"'))
    blob = f"{line}\n".encode()
    (entry,) = everything(blob, trusted=TRUSTED)
    assert entry.key.value.reveal().hex() == cases.VK04
    assert entry.info.demo


def test_the_documentation_names_every_code():
    page = (Path(__file__).parents[3] / "docs" / "key-files.md").read_text()
    unnamed = [code for code in (*REFUSALS, *VERDICTS) if f"`{code}`" not in page]
    assert unnamed == ["not_opened"], "which the tool says, not a module"


# --- the rows of the table ---


def without(name):
    return lambda members: members.pop(name)


def with_member(name, value):
    return lambda members: members.update({name: value})


def in_kdf(**changed):
    return lambda members: members["kdf"].update(changed)


def in_public(**changed):
    return lambda members: members["public"][0].update(changed)


@pytest.mark.parametrize(
    "blob",
    [
        b"", b"\n", b"{}\n", b"[]\n", b"null\n", b'"VKF"\n', b"\xff\xfe", b"PK\x03\x04",
        b"[" * 9999,
        b'{"a":' * 20_000, b"1" * 5000 + b"\n", b'{"fmt":"VKF"}\n',
        b'{"fmt":"VMS-KEYSTORE","v":1}\n',
    ],
)  # fmt: skip
def test_what_is_no_key_file_is_named_so(blob):
    assert refusal(blob) == "format"


@pytest.mark.parametrize(
    "respelt",
    [
        lambda blob: blob[:-1],
        lambda blob: blob + b"\n",
        lambda blob: blob + b"x",
        lambda blob: blob[:-1] + b"\r\n",
        lambda blob: b" " + blob,
        lambda blob: b"\xef\xbb\xbf" + blob,
        lambda blob: blob.replace(b',"v":1', b', "v":1'),
        lambda blob: blob.replace(b',"v":1}', b',"v":1,"v":1}'),
        lambda blob: blob.replace(b'"krn":1', b'"krn":2,"krn":1'),
        lambda blob: blob.replace(b'"v":1', b'"v":1.0'),
        lambda blob: blob.replace(b'"v":1', b'"v":true'),
        lambda blob: blob.replace(b'"v":1', b'"v":"1"'),
        lambda blob: blob.replace(b'"v":1', b'"v":0'),
        lambda blob: blob.replace(b'"v":1', b'"v":-1'),
        lambda blob: blob.replace(b'"ken":255', b'"ken":2.55e2'),
        lambda blob: blob.replace(b'"ken":255', b'"ken":NaN'),
        lambda blob: blob.replace(b'"file-1"', b'"file\\u002d1"'),
        lambda blob: blob.decode().encode("utf-16"),
    ],
)
def test_a_file_has_one_spelling(respelt):
    assert refusal(respelt(file_of())) == "format"


@pytest.mark.parametrize(
    "change",
    [
        *map(without, ["file_id", "created", "target", "kdf", "kc", "nonce", "public", "payload"]),
        with_member("extra", 1),
        with_member("file_id", ""), with_member("file_id", "a/b"), with_member("file_id", "a" * 41),
        with_member("file_id", 1),
        with_member("created", "2026-11-20"), with_member("created", "2026-11-31T08:00:00Z"),
        with_member("created", "2026-11-20T08:00:00+00:00"), with_member("created", None),
        with_member("created", "2026-11-20T8:00:00Z"),
        with_member("target", "VSM-3f2a91"), with_member("target", ""), with_member("target", []),
        with_member("kc", "00" * 7), with_member("kc", "0A" * 8), with_member("kc", "0 " * 8),
        with_member("nonce", "00" * 11), with_member("nonce", 12),
        with_member("payload", "a"), with_member("payload", "!!!!"), with_member("payload", None),
        with_member("payload", "AB=="), with_member("payload", "AA==\n"),
        with_member("public", []), with_member("public", {}), with_member("public", [[]]),
        with_member("public", "x"), with_member("public", [1]),
        with_member("sig", {}), with_member("sig", None), with_member("sig", []),
        with_member("kdf", []), with_member("kdf", None),
        lambda members: members["kdf"].pop("n"), in_kdf(salt="00" * 15), in_kdf(salt="AA" * 16),
        in_public(sgc=201457), in_public(krn="1"), in_public(krn=True), in_public(kt=None),
        in_public(dkga=4), in_public(bdt="2025"), in_public(bdt="14"), in_public(bdt=2014),
        in_public(kcv="6c3de4"), in_public(kcv="6C3DE"), in_public(kcv_alg="DES0"),
        in_public(kcv_alg=None), in_public(name=None), in_public(name="a" * 121),
        in_public(name="a\nb"), in_public(demo=False), in_public(demo=1), in_public(act="soon"),
        in_public(act=None), in_public(ulm="5"), in_public(ulm=10**16), in_public(tlm=[]),
        in_public(allow_kct_to=[]), in_public(allow_kct_to=[["600675"]]), in_public(clm=1),
        in_public(allow_kct_to=[["600675", 1]] * 101), in_public(vk=cases.VK04),
        in_public(allow_kct_to=[[600675, 1]]), in_public(allow_kct_to="600675/1"),
        lambda members: members["public"][0].pop("kcv"),
    ],
)  # fmt: skip
def test_a_member_of_another_shape_is_refused(change):
    members = members_of()
    change(members)
    assert refusal(blob_of(members)) == "format"


def test_a_file_of_a_key_management_centre_is_explained():
    for beginning in (b"9500", b"KLF.1:Prism:", b"  9500", b"\xef\xbb\xbfKLF", b"\r\n9500"):
        assert refusal(beginning + b" whatever follows") == "kmc_file"


def test_the_line_of_a_hardware_module_names_it():
    with pytest.raises(KeyFileRefused) as refused:
        reading.read(SMID + b"\r\n")
    assert (refused.value.why, refused.value.params["module"]) == ("kmc_module", "94001632")
    assert "94001632" in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [SMID[:-1], SMID[:-1] + b"B", SMID.replace(b"94001632", b"94001633"), b"SMID.",
     b"SMID.1:::0000", SMID.lower().replace(b"smid", b"SMID")],
)  # fmt: skip
def test_a_damaged_line_of_a_hardware_module_is_told_from_a_sound_one(line):
    assert refusal(line) == "kmc_damaged"


def test_the_checksum_is_crc16_modbus():
    assert crc16_modbus(b"123456789") == 0x4B37, "the published check value"
    assert crc16_modbus(SMID[:-4]) == 0xAEEA, "of a line that a real module sent"


def test_a_newer_version_is_told_from_nonsense():
    assert refusal(file_of(v=2)) == "version"
    assert refusal(blob_of({"fmt": "VKF", "v": 9, "new": {}})) == "version"


@pytest.mark.parametrize(
    "changed",
    [{"n": 2**13}, {"n": 2**19}, {"n": 2**40}, {"n": 2**14 + 1}, {"n": 0}, {"n": -(2**14)},
     {"n": True}, {"n": "16384"}, {"r": 16}, {"r": True}, {"p": 2}, {"p": True}, {"p": "1"},
     {"name": "md5"}, {"m": 1}],
)  # fmt: skip
def test_passphrase_parameters_outside_the_bounds_are_refused_before_they_cost(changed):
    members = members_of()
    members["kdf"].update(changed)
    assert refusal(blob_of(members)) == "kdf"


def test_a_signature_of_other_content_is_refused_whoever_is_trusted():
    members = signed(members_of())
    members["target"] = MODULE
    assert refusal(blob_of(members)) == "signature"
    assert refusal(blob_of(members), trusted=TRUSTED) == "signature"
    other = signed(members_of(file_id="file-2"))["sig"]
    assert refusal(blob_of(signed(members_of()) | {"sig": other})) == "signature"


def test_a_signature_made_for_something_else_does_not_pass():
    """The message signed begins with what it is; a bare signature of the content is none."""
    members = members_of()
    key = cases.Ed25519PrivateKey.from_private_bytes(cases.SIGNER)
    sig = {"alg": "Ed25519", "kid": cases.public(cases.SIGNER).hex()}
    sig["sig"] = key.sign(cases.canonical(members)).hex()
    assert refusal(blob_of(members | {"sig": sig})) == "signature"


@pytest.mark.parametrize(
    "sig",
    [{"alg": "none"}, {"kid": "00"}, {"sig": ""}, {"kid": None}, {"extra": 1}],
)
def test_a_signature_of_another_shape_is_refused(sig):
    members = signed(members_of())
    members["sig"] |= sig
    assert refusal(blob_of(members)) == "format"


def test_where_signers_are_trusted_a_file_is_signed_by_one_of_them():
    assert refusal(file_of(), trusted=TRUSTED) == "unsigned"
    foreign = blob_of(signed(members_of(), cases.OTHER_SIGNER))
    with pytest.raises(KeyFileRefused) as refused:
        everything(foreign, trusted=TRUSTED)
    assert refused.value.why == "signer"
    assert cases.public(cases.OTHER_SIGNER).hex()[:8] in str(refused.value)
    ours = blob_of(signed(members_of()))
    assert len(everything(ours, trusted=TRUSTED)) == 1


def test_where_nobody_is_trusted_a_signature_is_told_not_asked_for():
    for members, signed_with in (
        (members_of(), None),
        (signed(members_of()), cases.public(cases.SIGNER).hex()),
    ):
        found = reading.read(blob_of(members))
        shown = reading.preview(found, reading.check_signer(found, {}))
        assert (shown.signer, shown.signed_with) == (None, signed_with)


def test_a_file_for_another_module_is_refused_and_names_both():
    blob = file_of(target="VSM-000001")
    assert values(file_of(target=MODULE)) == [cases.VK04]
    with pytest.raises(KeyFileRefused) as refused:
        everything(blob)
    assert refused.value.why == "target"
    assert "VSM-000001" in str(refused.value)
    assert MODULE in str(refused.value)


def test_a_wrong_passphrase_is_told_from_an_altered_file():
    members = members_of()
    with pytest.raises(KeyFileRefused) as refused:
        everything(blob_of(members), b"guess")
    assert refused.value.why == "not_opened"
    members["public"][0]["ken"] = 254
    with pytest.raises(KeyFileRefused) as refused:
        everything(blob_of(members), b"guess")
    assert refused.value.why == "not_opened"
    assert refusal(blob_of(members)) == "tampered"


@pytest.mark.parametrize(
    "change",
    [
        with_member("nonce", "00" * 12),
        with_member("payload", ""),
        with_member("payload", "AAAA" * 20),
        with_member("created", "2026-11-20T08:00:01Z"),
        with_member("target", MODULE),
        in_public(ken=254),
        in_public(tlm=5),
        lambda members: members["public"].append(members["public"][0]),
    ],
)
def test_content_altered_under_the_right_passphrase_is_refused(change):
    members = members_of()
    change(members)
    assert refusal(blob_of(members)) == "tampered"


@pytest.mark.parametrize(
    "public",
    [
        cases.public_of([described(ken=254)]),
        cases.public_of([described(name="Elsewhere")]),
        cases.public_of([described(), described(krn=2)]),
        cases.public_of([described(demo=True)]),
        cases.public_of([described(kcv="000000")]),
    ],
)
def test_a_maker_who_shows_other_keys_than_the_file_holds_is_refused(public):
    assert refusal(file_of(described(), public=public)) == "mismatch"


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[]", b'{"keys":[]}', b'{"keys":{}}', b'{"keys":[1]}', b'{"keys":[{}]}', b"\xff",
     b"[" * 9999,
     cases.canonical({"keys": [described()], "more": 1}),
     cases.canonical({"keys": [described()]}) + b" ",
     json.dumps({"keys": [described()]}).encode(),
     cases.canonical({"keys": [cases.public_of([described()])[0]]}),
     cases.canonical({"keys": [described() | {"vk": cases.VK04.upper()}]}),
     cases.canonical({"keys": [described() | {"vk": ""}]}),
     cases.canonical({"keys": [described() | {"vk": "abc"}]}),
     cases.canonical({"keys": [described() | {"vk": "00" * 65}]}),
     cases.canonical({"keys": [described() | {"vk": 5}]})],
)  # fmt: skip
def test_a_sealed_list_of_another_shape_is_refused(payload):
    assert refusal(file_of(payload=payload)) == "format"


def test_no_more_than_256_kib_are_read():
    assert refusal(b" " * (256 * 1024 + 1)) == "too_large"
    assert refusal(b" " * 256 * 1024) == "format"
    assert refusal(b"9500" + b" " * 256 * 1024) == "too_large"


def test_what_is_wrong_first_is_said_first():
    """Each row of the table hides the rows below it."""
    members = members_of(described(ken=254), public=cases.public_of([described()]))
    members |= {"target": "VSM-000001", "payload": "AAAA" * 20}
    members = signed(members) | {"created": "2026-11-20T08:00:01Z"}
    members["kdf"] = members["kdf"] | {"n": 2**19}
    members |= {"v": 2}

    def now():
        return refusal(blob_of(members), b"guess", trusted={"Nobody": bytes(32)})

    said = [now()]
    members["v"] = 1
    said.append(now())
    members["kdf"]["n"] = 2**14
    said.append(now())
    members = signed(members)
    said.append(now())
    members.pop("sig")
    said.append(now())
    said.append(refusal(blob_of(members), b"guess"))
    members["target"] = MODULE
    said.append(refusal(blob_of(members), b"guess"))
    said.append(refusal(blob_of(members)))
    assert said == [
        "version", "kdf", "signature", "signer", "unsigned", "target", "not_opened", "tampered",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mask", "sign"), [(0x01, False), (0x80, False), (0x01, True), (0x02, True), (0x20, True)]
)
def test_every_flipped_byte_is_refused(mask, sign):
    """Without a signature too: the seal covers all that is not refused for its shape."""
    right = blob_of(signed(members_of()) if sign else members_of())
    assert values(right) == [cases.VK04]
    for place in range(len(right)):
        altered = bytearray(right)
        altered[place] ^= mask
        refusal(bytes(altered))


def test_every_cut_is_refused():
    right = file_of()
    for length in range(len(right)):
        refusal(right[:length])


# --- writing ---


def written(**options):
    keys = [key(), key(REF02, cases.VK02, ken=103, demo=True)]
    secret = SecretBytes(cases.PASSPHRASE)
    return writing.write(keys, secret, created=cases.NOW, scrypt_n=2**14, **options)


def test_what_is_written_opens_by_the_description_alone():
    members = json.loads(written(target=MODULE))
    kdf = members["kdf"]
    stretch = cases.stretched(cases.PASSPHRASE, bytes.fromhex(kdf["salt"]), kdf["n"])
    header = {n: v for n, v in members.items() if n not in {"nonce", "payload", "sig"}}
    plain = AESGCM(cases.expanded(stretch, b"seal")).decrypt(
        bytes.fromhex(members["nonce"]), base64.b64decode(members["payload"]),
        cases.canonical(header),
    )  # fmt: skip
    told = json.loads(plain)["keys"]
    assert [each["vk"] for each in told] == [cases.VK04, cases.VK02]
    assert cases.public_of(told) == members["public"]
    assert [each["kcv"] for each in told] == [cases.sha_kcv(cases.VK04), cases.des_kcv(cases.VK02)]
    assert (members["target"], members["created"]) == (MODULE, "2026-11-22T12:00:00Z")
    assert told[1]["demo"] is True
    assert "demo" not in told[0]


def test_what_is_signed_is_so_by_the_description_alone():
    for blob in (written(private_key=cases.SIGNER), writing.sign(written(), cases.SIGNER)):
        members = json.loads(blob)
        sig = members.pop("sig")
        assert sig["kid"] == cases.public(cases.SIGNER).hex()
        checker = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sig["kid"]))
        checker.verify(bytes.fromhex(sig["sig"]), b"VMS key file\n" + cases.canonical(members))


def test_a_file_signed_anew_has_the_new_signature_alone():
    twice = writing.sign(written(private_key=cases.SIGNER), cases.OTHER_SIGNER)
    assert reading.read(twice).signer == cases.public(cases.OTHER_SIGNER)
    assert len(everything(twice)) == 2


def test_no_two_files_are_sealed_alike():
    one, two = json.loads(written()), json.loads(written())
    assert one["file_id"] != two["file_id"]
    assert one["kdf"]["salt"] != two["kdf"]["salt"]
    assert one["nonce"] != two["nonce"]


def test_neither_key_nor_passphrase_lies_open_in_the_file():
    raw = written()
    for value in (bytes.fromhex(cases.VK04), bytes.fromhex(cases.VK02), cases.PASSPHRASE):
        for form in (value, value.hex().encode(), base64.b64encode(value).rstrip(b"=")[:-1]):
            assert form not in raw


def test_new_files_cost_as_much_as_keystores():
    assert writing.keystore.SCRYPT_N == 2**17


def test_a_file_that_would_be_refused_is_not_written(secret):
    made = {"created": cases.NOW, "scrypt_n": 2**14}
    with pytest.raises(KeystoreError) as refused:
        writing.write([key(ken=256)], secret, **made)
    assert refused.value.why == "key_range"
    with pytest.raises(KeystoreError) as refused:
        writing.write([key()], SecretBytes(b""), **made)
    assert refused.value.why == "passphrase_empty"
    for target in ("VSM-1", "somebody"):
        with pytest.raises(KeyFileRefused) as wrong:
            writing.write([key()], secret, target=target, **made)
        assert wrong.value.why == "format"
    with pytest.raises(KeyFileRefused) as wrong:
        writing.write([], secret, **made)
    assert wrong.value.why == "format"


def test_every_sentence_has_the_holes_that_are_filled():
    assert all(said.endswith(".") for said in (*REFUSALS.values(), *VERDICTS.values()))
    assert str(KeyFileRefused("no such code")) == "The key file is refused: no such code."


def test_an_opened_key_does_not_show_itself(secret):
    (entry,) = everything(file_of())
    assert cases.VK04 not in repr(entry)
    reading.wipe((entry,))
    with pytest.raises(ValueError, match="wiped"):
        entry.key.value.reveal()
