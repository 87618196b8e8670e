"""Tokens given without money: free ones, and compensation.

Each is a sale like every other, of a kind of its own, that costs nothing: asked for by one
person and approved by another, reserved in the transaction of the approval, made after it.
``valuing`` says what it carries and is worth, ``quota`` how much may be given, ``reserve``
writes it down, ``deed`` is what the second person's machinery knows of it, ``making`` asks
the module for it.
"""
