"""The second person: some deeds are asked for by one and approved by another.

``deed`` says what a deed must tell of itself, ``deeds`` lists them all, ``rules`` decides
which ask for a second person, ``ties`` who may not be one for whom. ``asking`` does a deed or
makes a request of it, ``deciding`` approves and does it or refuses, ``requests`` is what both
know of a request.
"""
