"""VSM/1: what a module server and its clients say to each other."""
