"""The module server: a process of its own that holds a module and speaks VSM/1."""
