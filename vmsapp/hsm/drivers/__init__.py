"""The kinds of security module, all with one interface (``hsm.base``)."""
