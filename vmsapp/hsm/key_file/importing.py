"""A key file into a keystore, all of it or nothing."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Lock
from typing import Final

from vmsapp.clock import now_utc
from vmsapp.hsm.answers import ImportReport, KeyFilePreview
from vmsapp.hsm.errors import KeyFileRefused
from vmsapp.hsm.key_file import reading
from vmsapp.hsm.key_file.checks import Holding, judge
from vmsapp.hsm.key_file.model import Entry, KeyFile
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.key_file.tries import Tries
from vmsapp.hsm.keystore import Keystore
from vmsapp.sts.secret import SecretBytes

TAKEN: Final = ("added", "replaced")

log = logging.getLogger(__name__)


class KeyImport:
    """What takes key files in for one module.

    Args:
        keystore: Where the keys go, open.
        module_id: The module files are made for.
        trusted: Name and Ed25519 public key (32 bytes) of each who may sign; where there are
            none, files need no signature.
        production: Keys for demonstration are refused.
        clock: The module's.
    """

    def __init__(
        self,
        keystore: Keystore,
        module_id: str,
        *,
        trusted: Mapping[str, bytes] | None = None,
        production: bool = False,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._keystore = keystore
        self._module_id = module_id
        self._trusted = dict(trusted or {})
        self._production = production
        self._clock = clock
        self._tries = Tries(clock)
        self._one_at_a_time = Lock()  # a passphrase takes up to 256 MiB to try

    def inspect(self, blob: bytes) -> KeyFilePreview:
        """Tell what a key file says of itself; needs no passphrase.

        Raises:
            KeyFileRefused: It is none, is not signed as it must be, or is not for this module.
        """
        found, signer = self._read(blob)
        return reading.preview(found, signer)

    def leave(self, blob: bytes, pending: Pending, *, actor: str) -> ImportReport:
        """Let a file wait for a second custodian, who has the passphrase.

        Raises:
            KeyFileRefused: As ``inspect``; or too many wait already.
        """
        found, _ = self._read(blob)
        pending.add(blob, actor=actor)
        log.info("key file %s by %s: waits for a second custodian", found.file_id, actor)
        return ImportReport(found.file_id, (), done=False, waits_for_second=True)

    def import_keys(
        self,
        blob: bytes,
        passphrase: SecretBytes,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take the keys of a file in, all of them or none.

        Args:
            blob: The file.
            passphrase: Opens it; the caller wipes it.
            actor: Who does it, for the log.
            replace: Let a key take the place of another of its name; the caller has asked a
                second person.
            dry_run: Only tell what would happen.

        Raises:
            KeyFileRefused: The file as a whole is refused; single keys are told in the report.
            KeystoreError: The keystore cannot be read or written; nothing was taken.
        """
        found, _ = self._read(blob)
        with self._one_at_a_time:
            entries = self._open(found, passphrase)
            try:
                report = self._import(found.file_id, entries, replace=replace, dry_run=dry_run)
            finally:
                reading.wipe(entries)
        outcomes = Counter(verdict.outcome for verdict in report.verdicts)
        log.info(
            "key file %s by %s: %s, %s", found.file_id, actor, dict(outcomes),
            "done" if report.done else "nothing taken",
        )  # fmt: skip
        return report

    def _read(self, blob: bytes) -> tuple[KeyFile, str | None]:
        found = reading.read(blob)
        signer = reading.check_signer(found, self._trusted)
        reading.check_target(found, self._module_id)
        return found, signer

    def _open(self, found: KeyFile, passphrase: SecretBytes) -> tuple[Entry, ...]:
        begun = self._tries.begin()
        try:
            entries = reading.open_keys(found, passphrase)
        except KeyFileRefused as refusal:
            if refusal.why == "not_opened":
                raise KeyFileRefused("passphrase", left=self._tries.left()) from None
            self._tries.take_back(begun)
            raise
        self._tries.take_back(begun)
        return entries

    def _import(
        self, file_id: str, entries: tuple[Entry, ...], *, replace: bool, dry_run: bool
    ) -> ImportReport:
        verdicts = judge(
            entries, Holding.of(self._keystore),
            now=self._clock(), production=self._production, replace=replace,
        )  # fmt: skip
        refused = any(verdict.outcome == "refused" for verdict in verdicts)
        if refused or dry_run:
            return ImportReport(file_id, verdicts, done=False)
        pairs = zip(entries, verdicts, strict=True)
        keys = [entry.key for entry, verdict in pairs if verdict.outcome in TAKEN]
        if keys:
            self._keystore.add_all(keys, replace=replace)
        return ImportReport(file_id, verdicts, done=True)
