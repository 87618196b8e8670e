"""Key files, ``VKF`` version 1: vending keys on their way into a module, sealed and signed.

==================== ====================================================================
``refusals``         what a file, or one of its keys, is refused for, in sentences
``model``            what stands in a file, and in what shape
``reading``          from bytes: without a passphrase what it says of itself, with it the keys
``writing``          to bytes: sealed under a passphrase, signed with Ed25519
``kmc``              files of a key management centre, which only hardware opens
``checks``           what becomes of each key
``importing``        a file into a keystore, all of it or nothing
``tries``            so many wrong passphrases, then wait
``pending``          a file that waits for a second custodian
==================== ====================================================================

The format is told in ``docs/key-files.md``.
"""

from vmsapp.hsm.key_file.refusals import REFUSALS, VERDICTS

__all__ = ["REFUSALS", "VERDICTS"]
