"""What every run of the tests brings with it, doctests beside the code included."""

pytest_plugins = ["tests.debug_log"]
