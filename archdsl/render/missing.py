"""What a renderer raises where the system lacks a library that it needs."""


class MissingLibrary(Exception):
    """A library of the system is not there; the message says in one line how to install it."""
