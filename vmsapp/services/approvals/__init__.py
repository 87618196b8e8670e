"""The second person: some deeds are asked for by one and approved by another.

``deed`` says what a deed must tell of itself, ``deeds`` lists them all, ``rules`` decides
which ask for a second person, ``ties`` who may not be one for whom, ``requests`` carries
a request from asking to done.
"""
