"""Help where it is needed: the manual, hints, the palette, first steps."""
