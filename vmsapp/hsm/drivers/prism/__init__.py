"""A PrismToken service as the security module (``module``): it makes tokens, we keep the record."""
