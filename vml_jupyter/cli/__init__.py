"""The door for terminals: the ``vml`` command."""
