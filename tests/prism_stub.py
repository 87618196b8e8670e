"""A service that speaks PrismToken's interface over real TLS, makes real tokens and misbehaves.

It shares the IDL with the driver and nothing else: frames are read and written by the Thrift
library, tokens made by ``vmsapp.sts`` under keys the test gives. What it is to do wrong is said
before, method by method, once each: ``stub.next("issueCreditToken", Code("ESm"))``.
"""

# ruff: noqa: N802, N803 - the interface's own names

import secrets
import socket
import ssl
import threading
import time
from collections import OrderedDict, defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from thriftpy2.protocol import TBinaryProtocolFactory
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TFramedTransportFactory, TSocket

from vmsapp.hsm.drivers.prism.frames import api
from vmsapp.sts.amount import encode_tenths
from vmsapp.sts.codec import decode, encode
from vmsapp.sts.credit import CreditToken
from vmsapp.sts.dkga import derive
from vmsapp.sts.errors import CrcError
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keychange import change
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.mse import ManagementToken
from vmsapp.sts.nmse import DisplayToken

SMID = "SMID.1:Prism:TSM250-0042:20200101T000000Z:0123456789ABCDEF:1A2B"
USER, PASSWORD = "vms", "a password for the stub"
CACHE = 100
"""Results a user's cache holds."""


@dataclass(frozen=True)
class StubKey:
    """A vending key the module has loaded."""

    sgc: str
    krn: int
    dkga: str
    value: str
    kcv: str
    base_date: BaseDate = BaseDate.Y2014
    ken: int = 255
    kt: int = 2


@dataclass(frozen=True)
class Code:
    """Answer with a code; ``after`` having carried the call out."""

    code: str
    after: bool = False


@dataclass(frozen=True)
class Drop:
    """Close the connection; ``after`` having carried the call out."""

    after: bool


@dataclass(frozen=True)
class Slow:
    """Carry the call out, and answer so many seconds later."""

    seconds: float


@dataclass(frozen=True)
class Raw:
    """Carry the call out and write these bytes in place of an answer; the line stays open."""

    data: bytes


@dataclass(frozen=True)
class Change:
    """Carry the call out, and change the answer."""

    by: object


class _Close(Exception):
    pass


class _Write(Exception):
    def __init__(self, data):
        super().__init__()
        self.data = data


@dataclass(frozen=True)
class Identity:
    """A certificate of the stub's own making, with its key, in one PEM file."""

    path: object
    fingerprint: str

    @classmethod
    def make(cls, path, *, address="127.0.0.1"):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "prism stub")])
        now = datetime.now(UTC)  # noqa: TID251 - a certificate is for the real clock
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return cls(path, certificate.fingerprint(hashes.SHA256()).hex())


@dataclass
class PrismStub:
    """The service.

    Attributes:
        identity: Its certificate.
        keys: What its module has loaded.
        calls: Every call it got: method and arguments by name.
        made: Tokens it made, in order, the answers of all kinds.
        most_at_once: How many calls it worked on at a time, at the most.
        info: What ``getStatus`` says.
        tid_shift: Minutes by which its tokens miss the time asked for.
        pause: Seconds it works on each issuing call.
    """

    identity: Identity
    keys: list
    calls: list = field(default_factory=list)
    made: list = field(default_factory=list)
    most_at_once: int = 0
    info: dict = field(default_factory=lambda: {"smpd.Tps": "3", "smqi.IdSm": SMID})
    alerts: list = field(default_factory=list)
    tid_shift: int = 0
    pause: float = 0.0
    ciphers: str = ""

    def __post_init__(self):
        self._lock = threading.Lock()
        self._at_once = 0
        self._next = defaultdict(deque)
        self._sessions = {}
        self._cache = defaultdict(OrderedDict)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.identity.path)
        if self.ciphers:
            self._context.maximum_version = ssl.TLSVersion.TLSv1_2
            self._context.set_ciphers(self.ciphers)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.drop_all()

    def drop_all(self):
        """Close every connection, as a restart does."""
        for wire in self._open:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wire.close()
        self._open.clear()

    def next(self, method, *misdeeds):
        """What the next calls of a method meet, one each; then all is well again."""
        self._next[method].extend(misdeeds)

    def end_sessions(self):
        self._sessions.clear()

    def count(self, method):
        return sum(name == method for name, _ in self.calls)

    def arguments(self, method):
        """Of the last call of a method."""
        return next(args for name, args in reversed(self.calls) if name == method)

    # --- connections ---

    def _accept(self):
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            wire = self._context.wrap_socket(plain, server_side=True)
        except (OSError, ValueError):
            plain.close()
            return
        self._open.append(wire)
        handle = TSocket()
        handle.set_handle(wire)
        transport = TFramedTransportFactory().get_transport(handle)
        protocol = TBinaryProtocolFactory().get_protocol(transport)
        processor = TProcessor(api.TokenApi, self)
        with suppress(Exception):  # whatever a client does, the next one is served
            while True:
                try:
                    processor.process(protocol, protocol)
                except _Write as write:
                    wire.sendall(write.data)
                except _Close:
                    break
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)
        wire.close()

    def _do(self, method, arguments, work):
        with self._lock:
            self.calls.append((method, arguments))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            misdeed = self._next[method].popleft() if self._next[method] else None
        try:
            if isinstance(misdeed, Code) and not misdeed.after:
                raise _refusal(misdeed.code)
            if misdeed == Drop(after=False):
                raise _Close
            if method.startswith("issue"):
                time.sleep(self.pause)
            result = work()
            match misdeed:
                case Code():
                    raise _refusal(misdeed.code)
                case Drop():
                    raise _Close
                case Slow():
                    time.sleep(misdeed.seconds)
                case Raw():
                    raise _Write(misdeed.data)
                case Change():
                    return misdeed.by(result)
            return result
        finally:
            with self._lock:
                self._at_once -= 1

    def _signed_in(self, bearer):
        if bearer not in self._sessions:
            raise _refusal("EAuthentication.Token")
        return self._sessions[bearer]

    def _remember(self, bearer, message_id, tokens):
        cache = self._cache[self._sessions[bearer]]
        cache[message_id] = tokens
        while len(cache) > CACHE:
            cache.popitem(last=False)
        self.made.append(tokens)
        return tokens

    # --- the interface ---

    def ping(self, sleepMs, echo):
        def work():
            time.sleep(sleepMs / 1000)
            return echo

        return self._do("ping", {"sleepMs": sleepMs, "echo": echo}, work)

    def signInWithPassword(self, messageId, realm, username, password, sessionOpts):
        def work():
            if sessionOpts.version != "1.1":
                raise _refusal("ESignin.Version")
            if realm != "local":
                raise _refusal("ESignin.Realm")
            if username != USER:
                raise _refusal("ESignin.Subject")
            if password != PASSWORD:
                raise _refusal("ESignin.Authentication")
            bearer = secrets.token_hex(16)
            self._sessions[bearer] = username
            return api.SignInResult(accessToken=bearer)

        return self._do("signInWithPassword", {"username": username, "realm": realm}, work)

    def getStatus(self, messageId, accessToken):
        def work():
            self._signed_in(accessToken)
            return [api.NodeStatus(info=self.info, alerts=self.alerts)]

        return self._do("getStatus", {"messageId": messageId}, work)

    def issueCreditToken(
        self, messageId, accessToken, meterConfig, subclass, transferAmount, tokenTime, flags
    ):
        def token_of(tid):
            amount = encode_tenths(int(transferAmount))
            return CreditToken(subclass, secrets.randbelow(16), tid, amount)

        return self._timed(
            "issueCreditToken", messageId, accessToken, meterConfig, subclass, transferAmount,
            tokenTime, flags, token_of,
        )  # fmt: skip

    def issueMseToken(
        self, messageId, accessToken, meterConfig, subclass, transferAmount, tokenTime, flags
    ):
        def token_of(tid):
            value = int(transferAmount)
            value = encode_tenths(value) if subclass in (0, 6) else value
            return ManagementToken(subclass, secrets.randbelow(16), tid, value)

        return self._timed(
            "issueMseToken", messageId, accessToken, meterConfig, subclass, transferAmount,
            tokenTime, flags, token_of,
        )  # fmt: skip

    def _timed(self, method, message_id, bearer, meter, subclass, amount, at, flags, token_of):
        arguments = {
            "messageId": message_id, "meterConfig": meter, "subclass": subclass,
            "transferAmount": amount, "tokenTime": at, "flags": flags,
        }  # fmt: skip

        def work():
            self._signed_in(bearer)
            key = self._key(meter.sgc, meter.krn)
            tid = (at - int(key.base_date.moment.timestamp())) // 60 + self.tid_shift
            token = token_of(tid)
            digits = encode(token, self._decoder_key(meter))
            return self._remember(
                bearer, message_id, [self._token(meter, token, digits, tid, amount)]
            )

        return self._do(method, arguments, work)

    def issueMeterTestToken(self, messageId, accessToken, subclass, control, mfrcode):
        def work():
            self._signed_in(accessToken)
            digits = encode(DisplayToken(subclass, control, mfrcode))
            return api.MeterTestToken(
                drn="", pan="", tokenClass=1, subclass=subclass, control=control,
                mfrcode=mfrcode, description="test", tokenDec=digits, tokenHex=_hex(digits),
            )  # fmt: skip

        arguments = {"messageId": messageId, "subclass": subclass, "control": control}
        return self._do("issueMeterTestToken", arguments, work)

    def issueKeyChangeTokens(self, messageId, accessToken, meterConfig, newConfig):
        def work():
            self._signed_in(accessToken)
            tokens = self.key_change(meterConfig, newConfig.toSgc, newConfig.toKrn, newConfig.toTi)
            return self._remember(accessToken, messageId, tokens)

        arguments = {
            "messageId": messageId, "meterConfig": meterConfig, "newConfig": newConfig,
        }  # fmt: skip
        return self._do("issueKeyChangeTokens", arguments, work)

    def verifyToken(self, messageId, accessToken, meterConfig, tokenDec):
        def work():
            self._signed_in(accessToken)
            try:
                token = decode(tokenDec, self._decoder_key(meterConfig))
            except CrcError:
                return api.VerifyResult(validationResult="EVerify.Crc")
            if isinstance(token, DisplayToken):
                shown = api.MeterTestToken(
                    drn="", pan="", tokenClass=1, subclass=token.subclass,
                    control=token.control, mfrcode=token.manufacturer, description="",
                    tokenDec=tokenDec, tokenHex=_hex(tokenDec),
                )  # fmt: skip
                return api.VerifyResult(validationResult="EVerify.Ok", meterTestToken=shown)
            amount = float(token.amount * 10) if token.token_class == 0 else 0.0
            said = self._token(meterConfig, token, tokenDec, token.tid or 0, amount)
            return api.VerifyResult(validationResult="EVerify.Ok", token=said)

        return self._do("verifyToken", {"tokenDec": tokenDec}, work)

    def fetchTokenResult(self, messageId, accessToken, reqMessageId):
        def work():
            user = self._signed_in(accessToken)
            if reqMessageId not in self._cache[user]:
                raise _refusal("ECacheMiss")
            return self._cache[user][reqMessageId]

        return self._do("fetchTokenResult", {"reqMessageId": reqMessageId}, work)

    # --- tokens ---

    def key_change(self, meter, sgc, krn, ti):
        """Make a set of key change tokens for a meter as it was described."""
        old, new = self._key(meter.sgc, meter.krn), self._key(sgc, krn)
        before, after = _parameters(meter, old), _parameters(meter, new, ti)
        sections = change(
            _derived(old, before), _derived(new, after), before, after,
            three_tokens=bool(meter.allow3Kct),
        )  # fmt: skip
        tokens = [
            self._token(meter, each, encode(each, _derived(old, before)), 0, 0.0)
            for each in sections
        ]
        tokens[0].newConfig = api.MeterConfigAdvice(
            toSgc=sgc, toKrn=krn, toTi=ti, toKen=new.ken, idRecord="", record2="",
            rollover=old.base_date is not new.base_date, toVkKcv=new.kcv,
        )  # fmt: skip
        return tokens

    def _key(self, sgc, krn):
        for key in self.keys:
            if (int(key.sgc), key.krn) == (sgc, krn):
                return key
        raise _refusal("EKeystore.NotFound")

    def _decoder_key(self, meter):
        key = self._key(meter.sgc, meter.krn)
        return _derived(key, _parameters(meter, key))

    def _token(self, meter, token, digits, tid, amount):
        return api.Token(
            drn=meter.drn[4 if meter.drn.startswith("0000") else 6 : 17], pan=meter.drn,
            ea=meter.ea, tct=meter.tct, sgc=meter.sgc,
            krn=meter.krn, ti=meter.ti, tokenClass=int(token.token_class),
            subclass=int(token.subclass), tid=tid, transferAmount=amount, isReservedTid=False,
            description="a token", stsUnitName="hWh", scaledAmount=str(amount / 10),
            scaledUnitName="kWh", tokenDec=digits, tokenHex=_hex(digits), idSm=SMID,
            vkKcv=self._key(meter.sgc, meter.krn).kcv,
        )  # fmt: skip


def _parameters(meter, key, ti=None):
    return KeyParameters(
        meter.drn, f"{meter.sgc:06d}" if ti is None else key.sgc, key.krn,
        f"{meter.ti if ti is None else ti:02d}", kt=key.kt, base_date=key.base_date,
        ken=key.ken, dkga=key.dkga, ea=meter.ea,
    )  # fmt: skip


def _derived(key, parameters):
    with VendingKey(key.dkga, bytes.fromhex(key.value)) as vending_key:
        return derive(vending_key, parameters)


def _hex(digits):
    return f"{int(digits):017X}"


def _refusal(code):
    return api.ApiException(eCode=code, eMsgEn=f"a sentence of the device, {PASSWORD}")
